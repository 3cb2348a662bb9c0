#!/usr/bin/env python3
"""Serves FOLDER/jwks.json over HTTPS on port 8443, as an issuer of tokens does."""
import http.server
import pathlib
import ssl
import sys

folder = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (folder / "jwks.json").read_bytes() if self.path == "/.well-known/jwks.json" else b"{}"
        self.send_response(200 if self.path.startswith("/.well-known/") else 404)
        self.send_header("cache-control", "max-age=1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "issuer.pem", folder / "issuer-key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
