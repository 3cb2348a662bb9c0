#!/usr/bin/env python3
"""Sends the requests of a JSON list (a file) from where it runs, and prints what came back, one JSON object a line."""
import concurrent.futures
import json
import socket
import ssl
import sys


def ask(entry):
    sock = socket.socket()
    sock.settimeout(5)
    sock.bind((entry["source"], 0))
    answer = {"port": sock.getsockname()[1], "received": ""}
    try:
        sock.connect((entry["address"], entry["port"]))
        if "certificate" in entry:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(entry["alpn"])
            context.load_cert_chain(entry["certificate"], entry["key"])
            sock = context.wrap_socket(sock, server_hostname=entry["sni"] or None)
        answer["connected"] = True
        sock.sendall(entry["bytes"].encode("latin-1"))
        while chunk := sock.recv(65536):
            answer["received"] += chunk.decode("latin-1")
            head, separator, body = answer["received"].partition("\r\n\r\n")
            length = [line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            if separator and length and len(body) >= int(length[0]) or not entry["bytes"].endswith("\r\n\r\n"):
                break
    except (OSError, ssl.SSLError) as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    sock.close()
    return answer


with concurrent.futures.ThreadPoolExecutor(8) as pool, open(sys.argv[1]) as listing:
    for answer in pool.map(ask, json.load(listing)):
        print(json.dumps(answer))
