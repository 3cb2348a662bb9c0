#!/usr/bin/env python3
"""Carries out the attacks of a JSON list (a file) from where it runs, and prints what came back, one JSON object a line.

The question is never only which status came back: it is whether the application answered, and what it had been asked."""
import concurrent.futures
import json
import socket
import ssl
import struct
import sys

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVER_NAME = "outbound_.80_._.api-service.production.svc.cluster.local"


def connect(strike):
    sock = socket.create_connection((strike["address"], strike["port"]), timeout=4)
    tls = strike.get("tls")
    if tls is None:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls.get("alpn"):
        context.set_alpn_protocols(tls["alpn"])
    if tls.get("maximum") == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if tls.get("certificate"):
        context.load_cert_chain(tls["certificate"], tls["key"])
    return context.wrap_socket(sock, server_hostname=tls.get("sni", SERVER_NAME))


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, bits, first=0):
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    octets = [first | limit]
    value -= limit
    while value >= 128:
        octets.append(value % 128 | 128)
        value //= 128
    return bytes(octets + [value])


def block(fields):
    """Fields as literals, whatever is in them: a library would refuse to write what an attacker writes."""
    text = b""
    for name, value in fields:
        name, value = name.encode("latin-1"), value.encode("latin-1")
        text += b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value
    return text


def http2_bytes(message):
    """`message`: fields; optionally data, trailers, stream."""
    stream = message.get("stream", 1)
    data, trailers = message.get("data"), message.get("trailers")
    output = PREFACE + frame(4, 0, 0)
    output += frame(1, 4 if data is not None or trailers else 5, stream, block(message["fields"]))
    if data is not None:
        output += frame(0, 0 if trailers else 1, stream, data.encode("latin-1"))
    if trailers:
        output += frame(1, 5, stream, block(trailers))
    return output


class HTTP2Reader:
    """The answer on the first stream: fields as lines, and the body."""

    def __init__(self):
        self.buffer, self.decoder, self.text, self.body, self.ended = b"", hpack.Decoder(), "", b"", False

    def feed(self, chunk):
        self.buffer += chunk
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
            size = int.from_bytes(self.buffer[:3], "big")
            kind, flags, payload = self.buffer[3], self.buffer[4], self.buffer[9:9 + size]
            self.buffer = self.buffer[9 + size:]
            if kind == 1:
                for name, value in self.decoder.decode(payload):
                    self.text += f"{name}: {value}\r\n"
            if kind == 0:
                self.body += payload
            # The stream's end, its reset, the connection's end.
            if kind in (0, 1) and flags & 1 or kind in (3, 7):
                self.ended = True
                self.text += {3: "RST_STREAM\r\n", 7: "GOAWAY\r\n"}.get(kind, "")

    def answer(self):
        status = self.text[9:12] if self.text.startswith(":status: ") else "0"
        return int(status), self.text, self.body.decode("latin-1")


def exchange(sock, strike):
    """Status, head and body of what comes back; status 0 is no answer."""
    sock.settimeout(4)
    if "http2" in strike:
        reader = HTTP2Reader()
        try:
            sock.sendall(http2_bytes(strike["http2"]))
            while not reader.ended:
                chunk = sock.recv(65536)
                if not chunk:
                    break
                reader.feed(chunk)
        except (OSError, ssl.SSLError) as error:
            reader.text += f"{type(error).__name__}: {error}"
        return reader.answer()
    received = b""
    try:
        sock.sendall(strike["bytes"].encode("latin-1"))
        while len(received) < 65536 and not complete(received):
            chunk = sock.recv(65536)
            if not chunk:
                break
            received += chunk
    except (OSError, ssl.SSLError) as error:
        if not received:
            return 0, f"{type(error).__name__}: {error}", ""
    head, _, body = received.decode("latin-1").partition("\r\n\r\n")
    return (int(head[9:12]) if head.startswith("HTTP/1.") and head[9:12].isdigit() else 0), head, body


def carry_out(strike):
    try:
        sock = connect(strike)
    except (OSError, ssl.SSLError) as error:
        return {"id": strike["id"], "status": 0, "answered": False, "detail": f"{type(error).__name__}: {error}"[:160]}
    with sock:
        status, head, body = exchange(sock, strike)
    try:
        echo = json.loads(body)
    except ValueError:
        echo = {}
    # The application names itself in each of its answers; a proxy never does.
    answered = "x-service-version" in head.lower() or '"service":"api-service"' in body
    return {"id": strike["id"], "status": status, "answered": answered, "detail": (head + "  " + body)[:200],
            "path": echo.get("path"), "method": echo.get("method"), "body": body[:2000]}


def complete(received):
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n")


with concurrent.futures.ThreadPoolExecutor(8) as pool, open(sys.argv[1]) as listing:
    for result in pool.map(carry_out, json.load(listing)):
        print(json.dumps(result), flush=True)
