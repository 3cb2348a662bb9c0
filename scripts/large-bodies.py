#!/usr/bin/env python3
"""Streams a large body through one proxy process, up and down, for each pair of HTTP/1.1 and HTTP/2, into a reader that stops.

    scripts/large-bodies.py [PROGRAM] [--megabytes 5120] [--pairs h2-h2,...] [--directions up,down] [--allow 8]

The body is a random mebibyte again and again: the reader compares every byte of it. The reader stops for half a second sixteen
times, and begins with small bites. The proxy's resident memory is sampled all the time; what it grows by beyond its start, in
MiB, must stay below --allow. Client and backend are below: HTTP/2 is framed by hand, since libraries take longer than proxies."""
import argparse
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BLOCK = os.urandom(1 << 20)
FRAME = 16384
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
SPEAKS_HTTP2 = {"h1": False, "h2": True}


class Broken(Exception):
    pass


def bootstrap(port, backend, streams):
    options = """
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }""" if streams else ""
    return f"""
static_resources:
  listeners:
    - name: in
      address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                route_config:
                  virtual_hosts:
                    - {{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: up, timeout: 0s }} }}] }}
                http_filters:
                  - name: router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
    - name: up
      type: STATIC
      load_assignment:
        cluster_name: up
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {backend} }} }} }}{options}
"""


class Check:
    """Counts a body and compares it; stops now and then, as readers do."""

    def __init__(self, total):
        self.total, self.count, self.stops = total, 0, 16

    def take(self, data):
        position, done = self.count % len(BLOCK), 0
        while done < len(data):
            part = min(len(data) - done, len(BLOCK) - position)
            if data[done:done + part] != BLOCK[position:position + part]:
                raise Broken(f"the body differs behind byte {self.count + done}")
            done, position = done + part, (position + part) % len(BLOCK)
        self.count += len(data)
        if self.stops and self.count > (17 - self.stops) * self.total // 17:
            self.stops -= 1
            time.sleep(0.5)

    def bite(self):
        return 4096 if self.count < 1 << 20 else 1 << 18

    @property
    def whole(self):
        return self.count == self.total


class Plain:
    """One message in each direction over HTTP/1.1."""

    def __init__(self, sock, is_client, check):
        self.sock, self.is_client, self.check, self.rest = sock, is_client, check, b""

    def head(self, length):
        start = "POST / HTTP/1.1\r\nhost: a" if self.is_client else "HTTP/1.1 200 OK"
        if not length and self.is_client:
            start = "GET / HTTP/1.1\r\nhost: a"
        self.sock.sendall(f"{start}\r\ncontent-length: {length}\r\n\r\n".encode())

    def body(self, total):
        for _ in range(total // len(BLOCK)):
            self.sock.sendall(BLOCK)

    def read_head(self):
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.receive(65536)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if self.is_client and not head.startswith(b"HTTP/1.1 200"):
            raise Broken(f"{head.decode()}\n{self.rest.decode()}")

    def read_body(self):
        if self.rest:
            self.check.take(self.rest)
        while not self.check.whole:
            self.check.take(self.receive(self.check.bite()))

    def receive(self, count):
        data = self.sock.recv(count)
        if not data:
            raise Broken("the connection ended early")
        return data


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Streams:
    """The same on stream 1 of a connection of HTTP/2."""

    window = 1 << 20

    def __init__(self, sock, is_client, check):
        self.sock, self.is_client, self.check = sock, is_client, check
        self.pending = bytearray()
        self.connection, self.stream, self.initial = 65535, 65535, 65535
        self.has_head, self.unread, self.left = False, 0, 0
        grow = struct.pack(">I", self.window - 65535)
        hello = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, self.window)) + frame(WINDOW, 0, 0, grow)
        sock.sendall((PREFACE if is_client else b"") + hello)
        self.wants_preface = not is_client

    def head(self, length):
        digits = str(length).encode()
        fields = b"\x0f\x0d" + bytes([len(digits)]) + digits
        if self.is_client:
            fields = (b"\x83" if length else b"\x82") + b"\x86\x84\x01\x01a" + fields
            self.sock.sendall(frame(HEADERS, 4 if length else 5, 1, fields))
        else:
            self.sock.sendall(frame(HEADERS, 4 if length else 5, 1, b"\x88" + fields))

    def body(self, total):
        frames = b"".join(frame(DATA, 0, 1, BLOCK[at:at + FRAME]) for at in range(0, len(BLOCK), FRAME))
        size, left, at = FRAME + 9, total // FRAME, 0
        while left:
            room = min(self.connection, self.stream) // FRAME
            if not room:
                self.pump(4096)
                continue
            count = min(room, left, (len(frames) - at) // size)
            self.sock.sendall(memoryview(frames)[at:at + count * size])
            at = (at + count * size) % len(frames)
            left -= count
            self.connection -= count * FRAME
            self.stream -= count * FRAME
            while select.select([self.sock], [], [], 0)[0]:
                self.pump(65536)
        self.sock.sendall(frame(DATA, 1, 1))

    def read_head(self):
        while not self.has_head:
            self.pump(65536)

    def read_body(self):
        while not self.check.whole:
            self.pump(self.check.bite())

    def pump(self, count):
        data = self.sock.recv(count)
        if not data:
            raise Broken("the connection ended early")
        at = 0
        if self.left:
            at = min(self.left, len(data))
            self.take(data[:at])
        if at == len(data):
            return
        self.pending += data[at:]
        at, pending = 0, self.pending
        if self.wants_preface:
            if len(pending) < len(PREFACE):
                return
            at, self.wants_preface = len(PREFACE), False
        while len(pending) - at >= 9:
            length, kind, flags = int.from_bytes(pending[at:at + 3], "big"), pending[at + 3], pending[at + 4]
            stream = int.from_bytes(pending[at + 5:at + 9], "big")
            if kind == DATA:
                at += 9
                self.left = length
                part = bytes(pending[at:at + length])
                at += len(part)
                if part:
                    self.take(part)
                continue
            if len(pending) - at < 9 + length:
                break
            self.control(kind, flags, stream, bytes(pending[at + 9:at + 9 + length]))
            at += 9 + length
        del pending[:at]

    def take(self, data):
        self.left -= len(data)
        self.unread += len(data)
        if self.unread * 2 >= self.window:
            update = struct.pack(">I", self.unread)
            self.unread = 0
            self.sock.sendall(frame(WINDOW, 0, 0, update) + frame(WINDOW, 0, 1, update))
        self.check.take(data)

    def control(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == 4:
                    self.stream += value - self.initial
                    self.initial = value
            self.sock.sendall(frame(SETTINGS, 1, 0))
        elif kind == PING and not flags & 1:
            self.sock.sendall(frame(PING, 1, 0, payload))
        elif kind == WINDOW:
            increment = int.from_bytes(payload, "big")
            if stream:
                self.stream += increment
            else:
                self.connection += increment
        elif kind == HEADERS:
            if self.is_client and b"\x88" not in payload[:4]:
                raise Broken(f"an answer other than 200: {payload.hex()}")
            self.has_head = True
        elif kind in (RESET, GOAWAY):
            raise Broken(f"the proxy ended it: frame {kind}, {payload.hex()}")


def side(streams, sock, is_client, total):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return (Streams if streams else Plain)(sock, is_client, Check(total))


def serve(listener, streams, is_up, total):
    """The backend, in a process of its own: one request."""
    peer = side(streams, listener.accept()[0], False, total)
    peer.read_head()
    if is_up:
        peer.read_body()
        peer.head(0)
    else:
        peer.head(total)
        peer.body(total)
    # The proxy closes first: what is on its way arrives.
    while peer.sock.recv(65536):
        pass


def ask(port, streams, is_up, total):
    peer = side(streams, socket.create_connection(("127.0.0.1", port)), True, total)
    peer.head(total if is_up else 0)
    if is_up:
        peer.body(total)
        peer.read_head()
    else:
        peer.read_head()
        peer.read_body()
    peer.sock.close()


def resident(process):
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def processor(process):
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def run(program, folder, client, backend, is_up, total):
    """Seconds, the proxy's processor seconds, and its resident MiB: at its start, at the most."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = free_port()
    file = folder / f"{client}-{backend}.yaml"
    file.write_text(bootstrap(port, listener.getsockname()[1], SPEAKS_HTTP2[backend]))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            serve(listener, SPEAKS_HTTP2[backend], is_up, total)
            code = 0
        except (Broken, OSError) as error:
            print(f"backend: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    listener.close()
    proxy = subprocess.Popen([program, "proxy", "-c", str(file), "--concurrency", "1", "--log-level", "warning"])
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            if time.monotonic() > deadline:
                raise Broken("the proxy does not listen")
            time.sleep(0.05)
        # What starting needed is given back three seconds after it.
        time.sleep(4)
        start, most, ended = resident(proxy.pid), 0.0, threading.Event()

        def sample():
            nonlocal most
            while not ended.wait(0.05):
                most = max(most, resident(proxy.pid))

        sampler = threading.Thread(target=sample)
        sampler.start()
        began, used = time.monotonic(), processor(proxy.pid)
        try:
            ask(port, SPEAKS_HTTP2[client], is_up, total)
        finally:
            ended.set()
            sampler.join()
        return time.monotonic() - began, processor(proxy.pid) - used, start, most
    finally:
        proxy.kill()
        proxy.wait()
        try:
            if os.waitpid(child, os.WNOHANG)[0] == 0:
                time.sleep(0.5)
                if os.waitpid(child, os.WNOHANG)[0] == 0:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
        except ChildProcessError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", default=os.environ.get("MARTLET", ".build/release/martlet"))
    parser.add_argument("--megabytes", type=int, default=5120)
    parser.add_argument("--pairs", default="h1-h1,h1-h2,h2-h1,h2-h2")
    parser.add_argument("--directions", default="up,down")
    parser.add_argument("--allow", type=float, default=8)
    arguments = parser.parse_args()
    failed = False
    print("client-endpoint direction  seconds  processor  MiB at start  MiB at most", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for pair in arguments.pairs.split(","):
            client, backend = pair.split("-")
            for direction in arguments.directions.split(","):
                try:
                    seconds, used, start, most = run(
                        arguments.program, pathlib.Path(folder), client, backend, direction == "up",
                        arguments.megabytes << 20)
                except (Broken, OSError) as error:
                    print(f"{pair:15} {direction:9}  FAILED: {error}", flush=True)
                    failed = True
                    continue
                verdict = "" if most - start <= arguments.allow else "  GROWS"
                failed = failed or bool(verdict)
                print(
                    f"{pair:15} {direction:9}  {seconds:7.1f}  {used:9.1f}  {start:12.1f}  {most:11.1f}{verdict}",
                    flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
