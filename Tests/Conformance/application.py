#!/usr/bin/env python3
"""An application on many ports: answers HTTP requests with what it was asked, as JSON, and other bytes with themselves."""
import json
import socketserver
import sys
import threading


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        received = self.request.recv(65536)
        head, _, _ = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self.request.sendall(b"application: " + received)
            return
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        body = json.dumps({"method": words[0], "path": words[1], "headers": headers}).encode()
        self.request.sendall(b"HTTP/1.1 200 OK\r\nx-application: yes\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


for port in sys.argv[1:]:
    threading.Thread(target=Server(("0.0.0.0", int(port)), Handler).serve_forever).start()
