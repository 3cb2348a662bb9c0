"""What applications see: raw_exchanges.py BACKEND_PORT PORT PORT. The same raw requests and responses of HTTP/1.1 go through two
pairs of proxies, and must come out alike. Framing is made anew on the way: bodies and trailers are compared without it. Host,
whose place among the fields means nothing, is put first."""
import re
import socket
import sys
import threading

BACKEND, PORTS = int(sys.argv[1]), [int(port) for port in sys.argv[2:]]
ID = b"X-Request-Id: 11111111-2222-4333-8444-555555555555\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello"


def get(fields=b"", line=b"GET /a HTTP/1.1", host=b"Host: service.test\r\n", body=b""):
    return line + b"\r\n" + host + ID + fields + b"\r\n" + body


def answer(fields, line=b"HTTP/1.1 200 OK", body=b""):
    return line + b"\r\nDate: now\r\n" + fields + b"\r\n" + body


CHUNKS = b"3\r\nabc\r\n8;ext=1\r\ndefghijk\r\n0\r\n"
CASES = [
    ("as curl asks", get(b"User-Agent: curl/8\r\nAccept: */*\r\n"), OK),
    ("small letters", get(b"user-agent: x\r\naccept: */*\r\n", host=b"host: service.test\r\n"), OK),
    ("all kinds of letters", get(
        b"X-CuStOm-HeADer: 1\r\nETag: 2\r\nWWW-Authenticate: 3\r\nx_under_Score: 4\r\nDNT: 1\r\nSec-CH-UA: q\r\n!#$%&'*+.^`|~: t\r\n"
        b"SOAPAction: urn\r\nA: b\r\nX-1-a-2B: c\r\n"), OK),
    ("HOST", get(host=b"HOST: service.test:8080\r\n"), OK),
    ("no value", get(b"X-Empty:\r\nX-Blanks:  \t \r\nX-Value:  a  b \t\r\n"), OK),
    ("bytes beyond ASCII", get(b"X-Name: J\xc3\xbcrgen \xe9\xff\r\n"), OK),
    ("fields twice", get(b"Accept: a\r\nX-A: 1\r\nAccept: b\r\nx-a: 2\r\n"), OK),
    ("a cookie", get(b"Cookie: a=1; b=2; c=\"3\"\r\n"), OK),
    ("nominated fields", get(b"Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Stays: 1\r\n"), OK),
    ("TE", get(b"TE: trailers\r\nConnection: TE\r\n"), OK),
    ("a query of odd letters", get(line=b"GET /a/%2e%2F//b;c=d?q=%20&r=\"{}|\\^`<>' HTTP/1.1"), OK),
    ("a method of its own", get(line=b"PROPFIND /dav HTTP/1.1", fields=b"Depth: 1\r\n"), OK),
    ("absolute form", get(line=b"GET http://other.test/b?c HTTP/1.1"), OK),
    ("HTTP/1.0", get(line=b"GET /old HTTP/1.0"), OK),
    ("HTTP/1.0, kept open", get(line=b"GET /old HTTP/1.0", fields=b"Connection: keep-alive\r\n"), OK),
    ("a body with length", get(line=b"POST /a HTTP/1.1", fields=b"Content-Type: text/plain\r\nContent-Length: 4\r\n", body=b"body"), OK),
    ("a body of nothing", get(line=b"POST /a HTTP/1.1", fields=b"Content-Length: 0\r\n"), OK),
    ("no body", get(line=b"POST /a HTTP/1.1"), OK),
    ("chunks", get(line=b"PUT /a HTTP/1.1", fields=b"Transfer-Encoding: chunked\r\n", body=CHUNKS + b"\r\n"), OK),
    ("trailers", get(line=b"PUT /a HTTP/1.1", fields=b"Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n", body=CHUNKS + b"x-sum: 9\r\n\r\n"),
     OK),
    ("a large body", get(line=b"POST /a HTTP/1.1", fields=b"Content-Length: 400000\r\n", body=bytes(range(256)) * 1562 + b"x" * 128), OK),
    ("continue", get(line=b"POST /a HTTP/1.1", fields=b"Expect: 100-continue\r\nContent-Length: 4\r\n", body=b"body"), OK),
    ("HEAD", get(line=b"HEAD /a HTTP/1.1"), answer(b"Content-Length: 12345\r\n")),
    ("HEAD, chunked", get(line=b"HEAD /a HTTP/1.1"), answer(b"Transfer-Encoding: chunked\r\n")),
    ("a phrase of its own", get(), answer(b"Content-Length: 0\r\n", b"HTTP/1.1 200 All Is Well, (really)")),
    ("no phrase", get(), answer(b"Content-Length: 0\r\n", b"HTTP/1.1 404 ")),
    ("a status of its own", get(), answer(b"Content-Length: 0\r\n", b"HTTP/1.1 299 Half J\xfcst")),
    ("fields of a response", get(), answer(
        b"Server: Mine/1\r\nETAG: \"x\"\r\nset-cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nX-CaSe: 1\r\nContent-Type: text/plain;"
        b" charset=utf-8\r\nX-Empty: \r\nContent-Length: 2\r\n", body=b"ok")),
    ("a response without length", get(), answer(b"X-A: 1\r\n", body=b"until the end")),
    ("a chunked response", get(), answer(b"Transfer-Encoding: chunked\r\n", body=CHUNKS + b"\r\n")),
    ("a response with trailers", get(b"TE: trailers\r\n"), answer(b"Transfer-Encoding: chunked\r\n", body=CHUNKS + b"x-end: 1\r\n\r\n")),
    ("an empty chunked response", get(), answer(b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n")),
    ("204", get(), answer(b"X-A: 1\r\n", b"HTTP/1.1 204 No Content")),
    ("304", get(), answer(b"ETag: x\r\nContent-Length: 77\r\n", b"HTTP/1.1 304 Not Modified")),
    ("a redirect", get(), answer(b"Location: /B?c\r\nContent-Length: 0\r\n", b"HTTP/1.1 302 Moved Temporarily")),
    ("early hints", get(), b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK),
    ("a response of HTTP/1.0", get(), answer(b"X-A: 1\r\n", b"HTTP/1.0 200 OK", b"old")),
    ("a response that closes", get(), answer(b"Connection: close\r\nContent-Length: 2\r\n", body=b"ok")),
    ("a large response", get(), answer(b"Content-Length: 400000\r\n", body=b"0123456789" * 40_000)),
]


class Reader:
    """Messages from a socket."""

    def __init__(self, connection):
        self.connection, self.bytes, self.ended = connection, b"", False

    def more(self):
        data = self.connection.recv(65_536)
        self.ended = not data
        self.bytes += data
        return bool(data)

    def upto(self, mark):
        while mark not in self.bytes:
            if not self.more():
                raise EOFError(f"ended within {self.bytes!r}")
        part, self.bytes = self.bytes.split(mark, 1)
        return part

    def exactly(self, count):
        while len(self.bytes) < count:
            if not self.more():
                raise EOFError(f"ended with {count - len(self.bytes)} bytes to come")
        part, self.bytes = self.bytes[:count], self.bytes[count:]
        return part

    def message(self, is_response, is_head=False):
        line, *fields = self.upto(b"\r\n\r\n").split(b"\r\n")
        fields = [tuple(field.split(b":", 1)) for field in fields]
        named = {name.lower(): value.strip() for name, value in fields}
        status = int(line.split(b" ")[1]) if is_response else 0
        body, trailers = b"", []
        if is_response and (is_head or status < 200 or status in (204, 304)):
            pass
        elif named.get(b"transfer-encoding") == b"chunked":
            while size := int(self.upto(b"\r\n").split(b";")[0], 16):
                body += self.exactly(size)
                self.upto(b"\r\n")
            while trailer := self.upto(b"\r\n"):
                trailers.append(trailer)
        elif b"content-length" in named:
            body = self.exactly(int(named[b"content-length"]))
        elif is_response:
            while self.more():
                pass
            body, self.bytes = self.bytes, b""
        host = [field for field in fields if field[0].lower() == b"host"]
        rest = [field for field in fields if field[0].lower() not in (b"host", b"transfer-encoding")]
        # A response to HEAD may leave it out (RFC 9112 section 6.1).
        length = b"chunked" if b"transfer-encoding" in named and not is_head else b""
        # Blanks around a value are no part of it.
        text = [(name, re.sub(rb"\d+", b"N", value) if name == b"x-envoy-upstream-service-time" else value.strip())
                for name, value in host + rest]
        return {"line": line, "fields": text, "framing": length, "body": body, "trailers": trailers}


def closes(head):
    """Whether a head says that its connection ends behind the message."""
    line, *fields = head.lower().split(b"\r\n\r\n")[0].split(b"\r\n")
    return b"connection: close" in fields or line.startswith(b"http/1.0")


def serve(listener, seen, reply, is_over):
    connection, _ = listener.accept()
    connection.settimeout(10)
    reader = Reader(connection)
    seen.append(reader.message(False))
    connection.sendall(reply)
    # What follows on the connection would be a second request.
    if b"ontent-Length" not in reply and b"chunked" not in reply:
        connection.close()
        return
    try:
        if not closes(reply):
            # The client has its answer, and has found out whether it may go on: what is there by now counts.
            is_over.wait(10)
            connection.setblocking(False)
        if reader.bytes or reader.more():
            seen.append(reader.bytes)
        elif closes(reply):
            seen.append(b"end")
    except (BlockingIOError, TimeoutError):
        pass
    except ConnectionError:
        seen.append(b"reset")
    connection.close()


def what_follows(client, reader):
    """Whether the client may go on: who reads on answers bytes that are no request with a 400, who has ended does not."""
    try:
        if reader.bytes:
            return "more"
        client.sendall(b"\x01\r\n\r\n")
        return "open" if reader.more() and reader.bytes.startswith(b"HTTP/1.1 400 ") else "more" if reader.bytes else "end"
    except ConnectionError:
        return "end"


def exchange(port, request, reply):
    """What the application and the client saw."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", BACKEND))
        listener.listen(8)
        seen = []
        is_over = threading.Event()
        thread = threading.Thread(target=serve, args=(listener, seen, reply, is_over), daemon=True)
        thread.start()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(10)
            reader = Reader(client)
            head, body = request.split(b"\r\n\r\n", 1)
            client.sendall(head + b"\r\n\r\n")
            answers = []
            if b"Expect" in request:
                answers.append(reader.message(True))
            client.sendall(body)
            while not answers or b" 1" in answers[-1]["line"][8:10]:
                answers.append(reader.message(True, request.startswith(b"HEAD")))
            rest = "end" if reader.ended else what_follows(client, reader)
        is_over.set()
        thread.join(10)
    return {"application": seen, "client": answers, "then": rest}


def main():
    failures = 0
    for name, request, reply in CASES:
        results = []
        for port in PORTS:
            try:
                results.append(exchange(port, request, reply))
            except (OSError, EOFError, ValueError) as error:
                results.append(repr(error))
        if any(isinstance(result, str) for result in results) or results[0] != results[1]:
            failures += 1
            print(f"{name}:")
            for result in results:
                print(f"    {result!r}"[:1500])
    if failures:
        sys.exit(f"{failures} of {len(CASES)} differ")
    print(f"all {len(CASES)} exchanges are alike")


main()
