"""Calls a gRPC server in all four ways and checks every answer: grpc_calls.py PORT CALLS. Ends with 1 at the first wrong one."""
import asyncio
import sys

import grpc


async def peculiarities(channel):
    """Statuses, metadata, deadlines and cancellation, once each."""
    unary = channel.unary_unary("/test.Echo/Unary")
    try:
        await unary(b"fail")
        raise SystemExit("a call that fails succeeded")
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "told to, \u00e4h", error

    call = unary(b"metadata", metadata=(("x-sent", "a b"),))
    assert await call == b"metadata"
    assert dict(await call.initial_metadata())["x-initial"] == "a b"
    trailing = dict(await call.trailing_metadata())
    assert trailing["x-trailing"] == "yes" and trailing["x-trailing-bin"] == b"\x00\xff", trailing

    try:
        await unary(b"sleep", timeout=0.3)
        raise SystemExit("a call outlived its deadline")
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error

    call = unary(b"sleep")
    await asyncio.sleep(0.1)
    call.cancel()
    try:
        await call
        raise SystemExit("a cancelled call succeeded")
    except asyncio.CancelledError:
        pass

    try:
        await channel.unary_unary("/test.Echo/Nothing")(b"")
        raise SystemExit("an unknown method answered")
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

    # Larger than every window on the way.
    big = bytes(range(256)) * 12_000
    assert await unary(big) == big

    # Half a conversation at a time: answers come before the requests have ended.
    chat = channel.stream_stream("/test.Echo/Chat")()
    for number in range(50):
        message = b"%d" % number
        await chat.write(message)
        assert await chat.read() == message
    await chat.done_writing()
    assert await chat.read() == grpc.aio.EOF
    assert await chat.code() == grpc.StatusCode.OK


async def worker(channel, numbers):
    unary = channel.unary_unary("/test.Echo/Unary")
    collect = channel.stream_unary("/test.Echo/Collect")
    spread = channel.unary_stream("/test.Echo/Spread")
    chat = channel.stream_stream("/test.Echo/Chat")
    for number in numbers:
        kind = number % 10
        if kind == 7:
            parts = [b"y" * (number % 700), b"z"]
            answer = await collect(iter(parts))
            assert answer == str(sum(map(len, parts))).encode(), (number, answer)
        elif kind == 8:
            size = number % 500
            answers = [answer async for answer in spread(b"3 %d" % size)]
            assert answers == [b"x" * size] * 3, (number, answers)
        elif kind == 9:
            parts = [b"%d" % number, b"q" * (number % 900)]
            answers = [answer async for answer in chat(iter(parts))]
            assert answers == parts, (number, answers)
        else:
            message = b"%d" % number * (number % 20)
            answer = await unary(message)
            assert answer == message, (number, answer)


async def main():
    port, calls = sys.argv[1], int(sys.argv[2])
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        await peculiarities(channel)
        numbers = iter(range(calls))
        await asyncio.gather(*(worker(channel, numbers) for _ in range(64)))
    print(f"{calls} calls, all answered as they should be")


asyncio.run(main())
