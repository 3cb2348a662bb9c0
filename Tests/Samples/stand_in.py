#!/usr/bin/env python3
"""Stands in for programs of Istio's samples.

    stand_in.py tcp-echo PORT,PORT,… PREFIX     each line comes back behind the prefix
    stand_in.py http ADDRESS:PORT…              says where it was asked and what it saw; takes WebSocket upgrades and echoes
"""
import base64
import hashlib
import json
import socket
import sys
import threading


def listen(address, port, handle):
    listener = socket.create_server((address, port), backlog=128)

    def one(connection):
        with connection:
            try:
                handle(connection)
            except OSError:
                pass

    def serve():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def echo(prefix):
    def handle(connection):
        for line in connection.makefile("rb"):
            connection.sendall(prefix.encode() + b" " + line)
    return handle


def http(place):
    def handle(connection):
        lines = connection.makefile("rb")
        while first := lines.readline():
            method, path, _ = first.decode().split(" ", 2)
            headers = {}
            while (line := lines.readline().decode().rstrip("\r\n")):
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
            lines.read(int(headers.get("content-length", 0)))
            if headers.get("upgrade", "").lower() == "websocket":
                key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
                connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                                    f"sec-websocket-accept: {accept}\r\n\r\n").encode())
                while data := connection.recv(65536):
                    connection.sendall(data)
                return
            body = json.dumps({"at": place, "method": method, "path": path, "headers": headers}).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    return handle


if sys.argv[1] == "tcp-echo":
    for number in sys.argv[2].split(","):
        listen("0.0.0.0", int(number), echo(sys.argv[3]))
else:
    for place in sys.argv[2:]:
        address, number = place.rsplit(":", 1)
        listen(address, int(number), http(place))
threading.Event().wait()
