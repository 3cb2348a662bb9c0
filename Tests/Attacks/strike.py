#!/usr/bin/env python3
"""Carries out the attacks of a JSON list (a file) from where it runs, and prints what came back, one JSON object a line.

The question is never only which status came back: it is whether the application answered."""
import json
import socket
import ssl
import sys


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
    return context.wrap_socket(sock, server_hostname=tls.get("sni", "outbound_.80_._.api-service.production.svc.cluster.local"))


def carry_out(strike):
    sock = None
    received = b""
    try:
        sock = connect(strike)
        sock.settimeout(4)
        sock.sendall(strike["bytes"].encode("latin-1"))
        while len(received) < 65536:
            chunk = sock.recv(65536)
            if not chunk:
                break
            received += chunk
            if strike.get("single", True) and complete(received):
                break
    except (OSError, ssl.SSLError) as error:
        if not received:
            return {"id": strike["id"], "status": 0, "answered": False, "detail": f"{type(error).__name__}: {error}"[:160]}
    finally:
        if sock is not None:
            sock.close()
    text = received.decode("latin-1")
    status = int(text[9:12]) if text.startswith("HTTP/1.") and text[9:12].isdigit() else 0
    # The application names itself in each of its answers; a proxy never does.
    answered = "x-service-version" in text.lower() or '"service":"api-service"' in text or '"name":"api-service"' in text
    return {"id": strike["id"], "status": status, "answered": answered, "detail": text[:160],
            "body": text.split("\r\n\r\n", 1)[-1][:2000]}


def complete(received):
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n")


for strike in json.load(open(sys.argv[1])):
    print(json.dumps(carry_out(strike)), flush=True)
