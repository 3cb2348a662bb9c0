"""A gRPC server with all four kinds of calls, messages being plain bytes: grpc_server.py PORT."""
import asyncio
import sys

import grpc


async def unary(request, context):
    if request == b"fail":
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "told to, \u00e4h")
    if request == b"metadata":
        values = dict(context.invocation_metadata())
        await context.send_initial_metadata((("x-initial", values.get("x-sent", "")),))
        context.set_trailing_metadata((("x-trailing", "yes"), ("x-trailing-bin", b"\x00\xff")))
    if request == b"sleep":
        await asyncio.sleep(60)
    return request


async def collect(requests, context):
    total = 0
    async for request in requests:
        total += len(request)
    return str(total).encode()


async def spread(request, context):
    count, size = map(int, request.split())
    for _ in range(count):
        yield b"x" * size


async def chat(requests, context):
    async for request in requests:
        yield request


class Handler(grpc.GenericRpcHandler):
    METHODS = {
        "/test.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
        "/test.Echo/Collect": grpc.stream_unary_rpc_method_handler(collect),
        "/test.Echo/Spread": grpc.unary_stream_rpc_method_handler(spread),
        "/test.Echo/Chat": grpc.stream_stream_rpc_method_handler(chat),
    }

    def service(self, details):
        return self.METHODS.get(details.method)


async def main():
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)])
    server.add_generic_rpc_handlers((Handler(),))
    assert server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
