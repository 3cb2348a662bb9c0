"""WebSocket clients: websocket_client.py PORT http1|http2 MESSAGES. By an upgrade of HTTP/1.1, as the websockets package does it, or on
streams of HTTP/2 (RFC 8441): then the streams are h2's and the frames of the WebSocket websockets'."""
import os
import random
import socket
import struct
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
import websockets.exceptions
import websockets.frames
import websockets.sync.client
from websockets.frames import Frame, Opcode

PORT = int(sys.argv[1])
SEED = random.randrange(1 << 32)
print("seed", SEED)
RANDOM = random.Random(SEED)


def message():
    size = RANDOM.choice([0, 1, 125, 126, 5_000, 70_000, 300_000])
    return RANDOM.randbytes(size) if RANDOM.random() < 0.5 else "ß" * (size // 2)


def fail(text):
    raise SystemExit(text)


def over_http1(count):
    uri = f"ws://127.0.0.1:{PORT}"
    for compression in (None, "deflate"):
        with websockets.sync.client.connect(
                f"{uri}/echo", subprotocols=["chat"], compression=compression, max_size=None, proxy=None) as connection:
            if connection.subprotocol != "chat":
                fail(f"subprotocol {connection.subprotocol}")
            # Bytes go both ways at once: all are sent before the first is read, as far as buffers go.
            for _ in range(count // 2):
                sent = [message() for _ in range(3)]
                for one in sent:
                    connection.send(one)
                for one in sent:
                    if connection.recv(timeout=20) != one:
                        fail("a message came back changed")
            if not connection.ping().wait(20):
                fail("no pong")
            connection.close(1000, "done")
            if (connection.close_code, connection.close_reason) != (1000, "done"):
                fail(f"closed with {connection.close_code} {connection.close_reason}")
    with websockets.sync.client.connect(f"{uri}/close", subprotocols=["chat"], proxy=None) as connection:
        try:
            connection.recv(timeout=20)
            fail("a message after the end")
        except websockets.exceptions.ConnectionClosed as closed:
            if (closed.rcvd.code, closed.rcvd.reason) != (4001, "as you wish"):
                fail(f"closed with {closed.rcvd}")
    try:
        websockets.sync.client.connect(f"{uri}/no", subprotocols=["chat"], proxy=None)
        fail("/no became a WebSocket")
    except websockets.exceptions.InvalidStatus as refusal:
        if refusal.response.status_code != 404 or b"no WebSocket here" not in refusal.response.body:
            fail(f"/no was answered {refusal.response}")


class Streams:
    """One connection of HTTP/2, and what came on its streams."""

    def __init__(self):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.socket.settimeout(20)
        self.heads, self.bytes, self.ended = {}, {}, set()
        self.until(lambda: self.h2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL, 0) == 1)

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def until(self, condition):
        while not condition():
            self.flush()
            data = self.socket.recv(65_536)
            if not data:
                fail("the proxy closed the connection")
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    self.heads[event.stream_id] = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    self.bytes[event.stream_id] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended.add(event.stream_id)
                elif isinstance(event, h2.events.StreamReset):
                    # Behind a whole response: the rest of the request is not wanted (RFC 9113 section 8.1).
                    if event.error_code != 0 or event.stream_id not in self.ended:
                        fail(f"{event!r}")
                elif isinstance(event, h2.events.ConnectionTerminated):
                    fail(f"{event!r}")
        self.flush()

    def open(self, path):
        stream = self.h2.get_next_available_stream_id()
        self.bytes[stream] = bytearray()
        self.h2.send_headers(stream, [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path),
            (":authority", "ws.test"), ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"),
        ])
        self.until(lambda: stream in self.heads)
        return stream

    def send(self, stream, opcode, data):
        left = memoryview(Frame(opcode, data).serialize(mask=True))
        while left:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(left))
            if room == 0:
                before = self.h2.local_flow_control_window(stream)
                self.until(lambda: self.h2.local_flow_control_window(stream) > before)
                continue
            self.h2.send_data(stream, bytes(left[:room]))
            self.flush()
            left = left[room:]

    def read(self, stream, count):
        self.until(lambda: len(self.bytes[stream]) >= count)
        taken = bytes(self.bytes[stream][:count])
        del self.bytes[stream][:count]
        return taken

    def receive(self, stream):
        """The next whole message: its first frame's opcode, and its bytes."""
        opcode, data, last = None, b"", False
        while not last:
            first, second = self.read(stream, 2)
            length = second & 127
            if length == 126:
                length, = struct.unpack("!H", self.read(stream, 2))
            elif length == 127:
                length, = struct.unpack("!Q", self.read(stream, 8))
            opcode = opcode or first & 15
            data += self.read(stream, length)
            last = first & 128
        return opcode, data


def over_http2(count):
    streams = Streams()
    sockets = [streams.open("/echo") for _ in range(5)]
    for stream in sockets:
        head = streams.heads[stream]
        if head[":status"] != "200" or head.get("sec-websocket-protocol") != "chat":
            fail(f"answered {head}")
        # These belong to HTTP/1.1's handshake (RFC 8441 section 5).
        for name in ("sec-websocket-accept", "connection", "upgrade"):
            if name in head:
                fail(f"{name} in {head}")
    for _ in range(count):
        stream = RANDOM.choice(sockets)
        sent = message()
        opcode = Opcode.TEXT if isinstance(sent, str) else Opcode.BINARY
        sent = sent.encode() if isinstance(sent, str) else sent
        streams.send(stream, opcode, sent)
        if streams.receive(stream) != (opcode, sent):
            fail("a message came back changed")
    for stream in sockets:
        streams.send(stream, Opcode.PING, b"?")
        if streams.receive(stream) != (Opcode.PONG, b"?"):
            fail("no pong")
        streams.send(stream, Opcode.CLOSE, struct.pack("!H", 1000) + b"done")
        if streams.receive(stream) != (Opcode.CLOSE, struct.pack("!H", 1000) + b"done"):
            fail("no answer to the close")
        streams.h2.end_stream(stream)
        streams.until(lambda: stream in streams.ended)
    stream = streams.open("/close")
    if streams.receive(stream) != (Opcode.CLOSE, struct.pack("!H", 4001) + b"as you wish"):
        fail("/close did not close")
    stream = streams.open("/no")
    streams.until(lambda: stream in streams.ended)
    if streams.heads[stream][":status"] != "404" or b"no WebSocket here" not in streams.bytes[stream]:
        fail(f"/no was answered {streams.heads[stream]}")


(over_http1 if sys.argv[2] == "http1" else over_http2)(int(sys.argv[3]))
print("all messages came back")
