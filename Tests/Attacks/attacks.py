"""The list of attacks: what is tried, from where, and under which configuration. `run.py` carries them out.

An attack succeeds when the application answers it. Controls are the opposite: requests that must get through, so that a
mesh which refuses everything does not pass. A control whose path matters says what the application must have been asked."""
import base64
import json
import re
import time

from harness import encoded

HOST = "api-service.production.svc.cluster.local"


def http(method="GET", path="/api/users", host=HOST, headers=(), body="", version="HTTP/1.1"):
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines) + "\r\n\r\n" + body


class List:
    def __init__(self):
        self.entries = []

    def add(self, stage, origin, name, data, control=False, **more):
        self.entries.append({"id": f"{stage}/{origin}: {name}", "stage": stage, "from": origin, "name": name, "bytes": data,
                             "control": control, **more})


def http2(method="GET", path="/api/users", host=HOST, headers=(), **more):
    fields = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *headers]
    return {"fields": fields, **more}


# The frontend's own certificate in the hands of someone who speaks without a proxy.
THIEF = {"certificate": "frontend", "alpn": ["istio"]}
THIEF_HTTP2 = {"certificate": "frontend", "alpn": ["h2"]}


def normalised(path, option):
    """What the application must be asked for `path`, by the words of Istio's documentation of pathNormalization; None: such
    a request is refused. Written apart from the product on purpose."""
    path = re.sub("^http://[^/]*", "", path)
    if not path.startswith("/") or "#" in path or re.search("[^!-~]", path):
        return None
    path, question, query = path.partition("?")
    if option == "DECODE_AND_MERGE_SLASHES":
        path = re.sub("%2f", "/", path, flags=re.I)
        path = re.sub("%5c", "\\\\", path, flags=re.I)
    if option != "NONE":
        if re.search("%00", path):
            return None
        unreserved = lambda match: chr(int(match[1], 16)) if re.match("[A-Za-z0-9._~-]", chr(int(match[1], 16))) else match[0]
        path = re.sub("%([0-9A-Fa-f]{2})", unreserved, path.replace("\\", "/"))
        parts = []
        pieces = path.split("/")[1:]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            if piece == "..":
                parts = parts[:-1]
            if piece not in (".", ".."):
                parts.append(piece)
            elif last:
                parts.append("")
        path = "/" + "/".join(parts)
    if option in ("MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"):
        path = re.sub("/+", "/", path)
    return path + question + query


# Paths that lead to /admin, or anywhere outside of /api/, for a reader who is careless in one way.
OUTSIDE = [
    "/", "/admin", "/api", "/apis/users", "/API/users", "/Api/users", "/aPI/users", "//api/users", "///api/users",
    "/./admin", "/../api/users", "/admin/../admin", "/api/../admin", "/api/./../admin", "/api/users/../../admin",
    "/api/%2e%2e/admin", "/api/%2E%2E/admin", "/api/.%2e/admin", "/api/%2e./admin", "/api/x/%2e%2e/%2e%2e/admin",
    "/%61dmin", "/%2e/admin", "/%2fapi/users", "/%5capi/users", "\\api\\users", "/\\api/users", "/api\\..\\admin", "/admin?/api/",
    "/admin?x=/api/users", "/admin#/api/users", "/admin;/api/", "/admin%00/api/", "/admin%20/api/", "/admin/api/users",
    "/%c0%afapi/users", "/\u00e4pi/users", "/api%2fusers", "/api%5cusers", "/api;/users", "/api%3b/users", "/api./users",
    "/.api/users", "/ap%69", "/api?/users", "/api#/users", "*", "http://x/admin", "/api/..", "/api/../", "/api/..;/../admin",
]

# Under a policy that denies /admin and everything below it: other spellings of the same place.
INSIDE = [
    "/admin", "/admin/", "/admin/users", "/./admin", "/x/../admin", "/%61dmin", "/adm%69n", "/%61%64%6d%69%6e", "/a/%2e%2e/admin",
    "/a/.%2e/admin", "/a/%2E./admin", "\\admin", "/a\\..\\admin", "/admin/.", "/admin/./x", "/x/./../admin/y", "/admin?x", "/admin#x",
    "/admin?/../public", "/x/y/../../admin", "/admin/../admin",
]
MERGED = ["//admin", "///admin", "//admin//users", "/.//admin", "/x/..//admin", "//./admin", "/x//..//..//admin"]
ESCAPED = ["/%2fadmin", "/%2Fadmin", "/x%2f..%2fadmin", "/%5cadmin", "/%5Cadmin", "/x%5c..%5cadmin", "//%2fadmin", "/%2e%2fadmin"]


def without_identity(entries):
    """Plaintext, and headers that pretend."""
    pretence = [
        [], [("X-Forwarded-Client-Cert", "URI=spiffe://cluster.local/ns/production/sa/frontend")],
        [("X-Forwarded-Client-Cert", "By=spiffe://cluster.local/ns/production/sa/api-service;Hash=00;URI=spiffe://cluster.local/ns/production/sa/frontend")],
        [("X-Forwarded-For", "127.0.0.1")], [("X-Real-IP", "127.0.0.1")], [("X-Envoy-Internal", "true")],
        [("X-Envoy-Peer-Metadata", base64.b64encode(b"frontend").decode()), ("X-Envoy-Peer-Metadata-Id", "sidecar~10.0.0.1~frontend.production~x")],
        [("X-Envoy-Original-Path", "/api/users")], [("X-Original-URL", "/api/users")], [("X-HTTP-Method-Override", "GET")],
        [("X-Envoy-External-Address", "127.0.0.1")], [("Forwarded", "for=127.0.0.1;proto=https")],
        [("X-Forwarded-Proto", "https")], [("X-Envoy-Decorator-Operation", "x")], [("X-Envoy-Upstream-Rq-Timeout-Ms", "1")],
        [("Connection", "X-Forwarded-Client-Cert"), ("X-Forwarded-Client-Cert", "x")], [("Expect", "100-continue")],
        [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")],
        [("Upgrade", "websocket"), ("Connection", "Upgrade")], [("X-Forwarded-Host", "localhost")],
    ]
    for stage in ["permissive", "strict"]:
        for headers in pretence:
            label = "plaintext" + "".join(f", {name}: {value[:40]}" for name, value in headers[:1])
            entries.add(stage, "outsider", label, http(headers=headers))
    for name, data in [
        ("HTTP/1.0", http(version="HTTP/1.0")), ("no host", http(host=None)), ("HTTP/0.9", "GET /api/users\r\n"),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ("CONNECT", http("CONNECT", "127.0.0.1:8080")),
        ("two requests in one", http() + http()),
        ("content length twice", http("POST", headers=[("Content-Length", "0"), ("Content-Length", "30")]) + http()),
        ("length and chunks", http("POST", headers=[("Content-Length", "4"), ("Transfer-Encoding", "chunked")]) + "0\r\n\r\n" + http()),
        ("chunks misspelled", http("POST", headers=[("Transfer-Encoding", "xchunked")]) + "0\r\n\r\n" + http()),
        ("space before colon", http(headers=[("Transfer-Encoding ", "chunked")])),
        ("folded header", http(headers=[("X", "a\r\n b")])), ("bare line feeds", http().replace("\r\n", "\n")),
        ("nul in header", http(headers=[("X", "a\0b")])), ("target with space", http(path="/api/ users")),
        ("absolute target", http(path=f"http://{HOST}/api/users")),
    ]:
        entries.add("permissive", "outsider", name, data)


def wrong_certificates(entries):
    for stage in ["permissive", "strict"]:
        for certificate in ["self-signed", "foreign", "expired", "not-yet", "attacker", "other-namespace", "other-domain", "nested",
                            "account-suffix", "by-leaf", "dns-name", "no-name", None]:
            for alpn in [["istio"], ["istio-peer-exchange", "istio"], ["http/1.1"], ["h2"], None]:
                label = f"certificate {certificate or 'none'}, ALPN {','.join(alpn) if alpn else 'none'}"
                entries.add(stage, "outsider", label, http(), tls={"certificate": certificate, "alpn": alpn})
        entries.add(stage, "outsider", "certificate self-signed over TLS 1.2", http(),
                    tls={"certificate": "self-signed", "alpn": ["istio"], "maximum": "1.2"})
        entries.add(stage, "outsider", "frontend's own certificate", http(), control=True,
                    tls={"certificate": "frontend", "alpn": ["istio"]})


def members(entries):
    """Members of the mesh beyond what they may."""
    for origin in ["attacker", "impostor"]:
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "get", "X-GET"]:
            entries.add("strict", origin, f"{method} /api/users", http(method))
        for name, value in [("X-Forwarded-Client-Cert", "URI=spiffe://cluster.local/ns/production/sa/frontend"),
                            ("X-Envoy-Peer-Metadata-Id", "sidecar~10.0.0.1~frontend.production~x")]:
            entries.add("strict", origin, f"{name} of the frontend", http(headers=[(name, value)]))
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "get", "Get", "GETT", "GE", "CONNECT"]:
        entries.add("strict", "frontend", f"{method} /api/users", http(method))
        entries.add("strict", "outsider", f"{method} /api/users", http(method), tls=THIEF)
    for name in ["X-HTTP-Method-Override", "X-Method-Override"]:
        entries.add("strict", "frontend", f"DELETE with {name}: GET", http("DELETE", headers=[(name, "GET")]))
    entries.add("strict", "frontend", "POST /api/users", http("POST"), control=True)


def allowed_paths(entries):
    """Paths under the policy that allows /api/*, through a sidecar and with a stolen certificate, for each option."""
    for stage, option in [("strict", "BASE"), ("allow NONE", "NONE"), ("allow MERGE_SLASHES", "MERGE_SLASHES"),
                          ("allow DECODE_AND_MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")]:
        for path in OUTSIDE + ["/api/users", "/x/../api/users?a=b", "/api/"]:
            asked = normalised(path, option)
            inside = asked is not None and asked.startswith("/api/")
            if option == "NONE" and inside and path != "/api/users":
                # Istio's NONE shows policies the path as it came: what "/api/../admin" means is between client and server.
                continue
            more = {"control": inside, "asked": asked if inside else None}
            entries.add(stage, "frontend", f"GET {path}", http(path=path), **more)
            entries.add(stage, "outsider", f"GET {path}", http(path=path), tls=THIEF, **more)
            entries.add(stage, "outsider", f"HTTP/2 GET {path}", "", http2=http2(path=path), tls=THIEF_HTTP2, **more)


def pseudo_headers(entries):
    """HTTP/2 as no honest client writes it; behind the proxy the application speaks HTTP/1.1."""
    add = lambda name, message: entries.add("strict", "outsider", f"HTTP/2: {name}", "", http2=message, tls=THIEF_HTTP2)
    base = http2()["fields"]
    without = lambda name: [field for field in base if field[0] != name]
    with_value = lambda name, value: [(key, value if key == name else old) for key, old in base]
    second = "GET /admin HTTP/1.1\r\nhost: x\r\n\r\n"
    for name, first, other in [(":path", "/api/users", "/admin"), (":method", "GET", "DELETE"), (":authority", HOST, "internal.example.com"),
                               (":scheme", "https", "http")]:
        add(f"{name} twice", {"fields": with_value(name, first) + [(name, other)]})
        add(f"{name} twice, the other first", {"fields": [(name, other)] + with_value(name, first)})
        add(f"{name} behind a header", {"fields": without(name) + [("x-a", "b"), (name, first)]})
        add(f"{name} in trailers", {"fields": base, "data": "", "trailers": [(name, other)]})
        add(f"{name} with a space before it", {"fields": base + [(" " + name, other)]})
        add(f"{name} with a line break in it", {"fields": with_value(name, f"{first}\r\nx-b: c")})
        add(f"{name} with a request in it", {"fields": with_value(name, f"{first} HTTP/1.1\r\nhost: x\r\n\r\n{second}")})
        add(f"{name} with NUL in it", {"fields": with_value(name, first + "\0")})
        add(f"{name} with a line feed in it", {"fields": with_value(name, first + "\nx: y")})
    for name in [":path", ":method", ":scheme"]:
        add(f"no {name}", {"fields": without(name)})
        add(f"empty {name}", {"fields": with_value(name, "")})
    for name in [":status", ":protocol", ":unknown", ":", ""]:
        add(f"field {name or 'without a name'}", {"fields": base + [(name, "200")]})
    for path in ["admin", "*", "/admin", "/admin#/api/", "/api/ users", "/api/users HTTP/1.1", "?/api/users"]:
        add(f":path {path}", http2(path=path))
    for method in ["DELETE", "get", "GET ", " GET", "GET /admin HTTP/1.1", "G\tET", "CONNECT", "PRI"]:
        add(f":method {method}", http2(method=method))
    for authority in ["x@" + HOST, HOST + "/admin", HOST + "?", HOST + "#", HOST + " ", "a, b"]:
        add(f":authority {authority}", http2(host=authority))
    for name, value in [("Host", HOST), ("X-Upper", "a"), ("x a", "b"), ("x:a", "b"), ("x\r\na", "b"), ("x\0", "b"), ("x-a", "b\r\nc: d"),
                        ("x-a", f"b\r\n\r\n{second}"), ("x-a", "b\0"), ("x-a", "b\nc"), ("connection", "close"), ("connection", "x-a"),
                        ("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive"), ("upgrade", "h2c"), ("te", "gzip"),
                        ("transfer-encoding", "chunked"), ("transfer-encoding", "identity"), ("content-length", "x"), ("content-length", "-1")]:
        add(f"{name}: {value}", http2(headers=[(name, value)]))
    smuggled = {"method": "POST", "data": "0\r\n\r\n" + second}
    add("body behind transfer-encoding", http2(headers=[("transfer-encoding", "chunked")], **smuggled))
    add("body behind content-length 0", http2(headers=[("content-length", "0")], **smuggled))
    add("body longer than content-length", http2(headers=[("content-length", "3")], **smuggled))
    add("body shorter than content-length", http2(headers=[("content-length", "3000")], **smuggled))
    add("content-length twice", http2(headers=[("content-length", "0"), ("content-length", str(len(smuggled["data"])))], **smuggled))
    add("extended CONNECT to /admin", {"fields": http2("CONNECT", "/admin")["fields"] + [(":protocol", "websocket")]})
    add("CONNECT to the application", {"fields": [(":method", "CONNECT"), (":authority", "127.0.0.1:8080")]})
    add("even stream", http2(stream=2))
    add("stream 0", http2(stream=0))
    for method in ["GET", "POST"]:
        entries.add("strict", "outsider", f"HTTP/2: {method} with the frontend's certificate", "", http2=http2(method), tls=THIEF_HTTP2, control=True)
    # What an HTTP/1.1 application must not take for a second request, although the first is in order.
    entries.add("strict", "outsider", "HTTP/2: a request as the body of an allowed one", "", http2=http2("POST", data=second), tls=THIEF_HTTP2,
                control=True, asked="/api/users")


HOSTS = ["internal.example.com", "INTERNAL.example.com", "Internal.Example.Com:80", "internal.example.com.", "internal.example.com.:80",
         "internal.example.com:8080", "internal.example.com:80:80", "INTERNAL.EXAMPLE.COM."]


def denied_paths(entries):
    """DENY for /admin and for a host, whichever way both are spelled."""
    for stage, paths in [("NONE", ["/admin", "/admin/", "/admin/x", "/admin?x", "/admin#x", "http://x/admin"]), ("BASE", INSIDE),
                         ("MERGE_SLASHES", INSIDE + MERGED), ("DECODE_AND_MERGE_SLASHES", INSIDE + MERGED + ESCAPED)]:
        thief = {"tls": THIEF}
        for path in paths:
            # "/x//..//..//admin" is "/x/admin": segments go one by one, and slashes are merged after that.
            asked = normalised(path, stage)
            elsewhere = asked is not None and not re.match(r"/admin($|[/?])", asked)
            more = {"control": elsewhere, "asked": asked if elsewhere else None}
            entries.add(stage, "frontend", f"GET {path}", http(path=path), **more)
            entries.add(stage, "outsider", f"GET {path}", http(path=path), **thief, **more)
            entries.add(stage, "outsider", f"HTTP/2 GET {path}", "", http2=http2(path=path), tls=THIEF_HTTP2, **more)
        for host in HOSTS:
            entries.add(stage, "outsider", f"host {host}", http(path="/public", host=host), **thief)
            entries.add(stage, "outsider", f"host {host} in the target", http(path=f"http://{host}/public"), **thief)
            entries.add(stage, "outsider", f"HTTP/2 host {host}", "", http2=http2(path="/public", host=host), tls=THIEF_HTTP2)
            without = [field for field in http2(path="/public")["fields"] if field[0] != ":authority"]
            entries.add(stage, "outsider", f"HTTP/2 host {host} without :authority", "",
                        http2={"fields": without + [("host", host)]}, tls=THIEF_HTTP2)
        for name, first, other in [("the second", "public.example.com", "internal.example.com"),
                                   ("the first", "internal.example.com", "public.example.com")]:
            entries.add(stage, "outsider", f"two hosts, {name} internal", http(path="/public", host=first, headers=[("Host", other)]), **thief)
        entries.add(stage, "outsider", "HTTP/2 :authority internal, host public", "",
                    http2=http2(path="/public", host="internal.example.com", headers=[("host", "public.example.com")]), tls=THIEF_HTTP2)
        entries.add(stage, "frontend", "GET /public", http(path="/public"), control=True, asked="/public")
        entries.add(stage, "outsider", "GET /public", http(path="/public", host="public.example.com"), control=True, asked="/public", **thief)
        entries.add(stage, "outsider", "HTTP/2 GET /public", "", http2=http2(path="/public"), tls=THIEF_HTTP2, control=True, asked="/public")


def port_level(entries):
    """Port 8080 takes plaintext, and its callers are nobody; port 9000 stays strict."""
    stage = "port"
    for port in [8080, 9000]:
        entries.add(stage, "outsider", f"plaintext to port {port}", http(), port=port)
        entries.add(stage, "outsider", f"plaintext with the frontend's name to port {port}", port=port,
                    data=http(headers=[("X-Forwarded-Client-Cert", "URI=spiffe://cluster.local/ns/production/sa/frontend")]))
        for certificate in ["self-signed", "foreign", "expired", "attacker", "other-namespace", "other-domain", "no-name", None]:
            entries.add(stage, "outsider", f"certificate {certificate or 'none'} to port {port}", http(), port=port,
                        tls={"certificate": certificate, "alpn": ["istio"]})
    entries.add(stage, "outsider", "frontend's certificate to the port without TLS", http(), tls=THIEF)
    for origin in ["attacker", "impostor"]:
        entries.add(stage, origin, "port 80", http())
        entries.add(stage, origin, "port 9000", http(), port=9000)
    entries.add(stage, "frontend", "port 80, where it has no identity", http())
    entries.add(stage, "frontend", "port 9000", http(), port=9000, control=True)
    entries.add(stage, "outsider", "frontend's certificate to port 9000", http(), port=9000, tls=THIEF, control=True)


def capture_ports(entries):
    """The ports that traffic is redirected to, addressed themselves."""
    for port in [15001, 15006]:
        for name, more in [("plaintext", {}), ("frontend's certificate", {"tls": THIEF}), ("self-signed", {"tls": {"certificate": "self-signed", "alpn": ["istio"]}})]:
            entries.add("permissive", "outsider", f"port {port}: {name}", http(), port=port, **more)
            entries.add("strict", "outsider", f"port {port}: {name}", http(), port=port, **more)


def tokens(entries, sign):
    """Tokens that must not be taken; `sign(key, header, payload)` makes one. A good one is the control."""
    now = int(time.time())
    good = {"iss": "https://auth.example.com", "sub": "alice", "aud": "api.example.com", "exp": now + 3600}
    header = {"alg": "RS256", "kid": "one"}
    cases = [
        ("alg none", encoded({"alg": "none"}) + "." + encoded(good) + "."),
        ("alg None", encoded({"alg": "None"}) + "." + encoded(good) + "."),
        ("alg none with a signature", encoded({"alg": "none"}) + "." + encoded(good) + ".AAAA"),
        ("no signature", ".".join(sign("issuer", header, good).split(".")[:2]) + "."),
        ("another key", sign("stranger", header, good)),
        ("unknown kid", sign("stranger", {"alg": "RS256", "kid": "two"}, good)),
        ("kid is a path", sign("stranger", {"alg": "RS256", "kid": "../../dev/null"}, good)),
        ("key inside the token", sign("stranger", {"alg": "RS256", "jwk": {"kty": "RSA"}}, good)),
        ("jku of the attacker", sign("stranger", {"alg": "RS256", "jku": "https://evil.test/jwks.json"}, good)),
        ("HS256 with the public key", sign("confused", {"alg": "HS256", "kid": "one"}, good)),
        ("alg missing", sign("issuer", {"kid": "one"}, good)), ("alg number", sign("issuer", {"alg": 1}, good)),
        ("critical extension", sign("issuer", {"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1}, good)),
        ("expired", sign("issuer", header, {**good, "exp": now - 3600})),
        ("not yet valid", sign("issuer", header, {**good, "nbf": now + 3600})),
        ("other issuer", sign("issuer", header, {**good, "iss": "https://evil.test"})),
        ("issuer with a slash", sign("issuer", header, {**good, "iss": "https://auth.example.com/"})),
        ("no issuer", sign("issuer", header, {key: good[key] for key in ("sub", "aud", "exp")})),
        ("other audience", sign("issuer", header, {**good, "aud": "other.example.com"})),
        ("no audience", sign("issuer", header, {key: good[key] for key in ("iss", "sub", "exp")})),
        ("subject missing", sign("issuer", header, {key: good[key] for key in ("iss", "aud", "exp")})),
        ("issuer given twice", sign("issuer", header, b'{"iss":"https://evil.test","iss":"https://auth.example.com","sub":"a","aud":"api.example.com"}')),
        ("payload changed", swap(sign("issuer", header, good), {**good, "sub": "admin"})),
        ("payload is a list", sign("issuer", header, [good])), ("exp is text", sign("issuer", header, {**good, "exp": "2099"})),
        ("exp is negative", sign("issuer", header, {**good, "exp": -1})),
        ("not a token", "not.a.token"), ("empty", ""), ("two parts", "a.b"), ("dots", "..."), ("40 KB", "a" * 40000),
        ("trailing part", sign("issuer", header, good) + ".x"),
        ("with white space", sign("issuer", header, good)[:40] + " " + sign("issuer", header, good)[40:]),
    ]
    for name, token in cases:
        entries.add("token", "attacker", f"token: {name}", http(path="/any", headers=[("Authorization", f"Bearer {token}")]))
    valid = sign("issuer", header, good)
    entries.add("token", "attacker", "token: under Basic", http(path="/any", headers=[("Authorization", f"Basic {valid}")]))
    entries.add("token", "attacker", "token: in another header", http(path="/any", headers=[("X-Authorization", f"Bearer {valid}")]))
    entries.add("token", "attacker", "token: a good one behind a bad one",
                http(path="/any", headers=[("Authorization", "Bearer a.b.c"), ("Authorization", f"Bearer {valid}")]))
    entries.add("token", "attacker", "token: a bad parameter beside a good header",
                http(path="/any?access_token=a.b.c", headers=[("Authorization", f"Bearer {valid}")]))
    entries.add("token", "attacker", "token: good", http(path="/any", headers=[("Authorization", f"Bearer {valid}")]), control=True)
    # As Envoy takes it: the signature is the issuer's, whichever way it is spelled.
    entries.add("token", "attacker", "token: good, padded", http(path="/any", headers=[("Authorization", f"Bearer {valid}==")]), control=True)
    entries.add("token", "attacker", "token: good, as a parameter", http(path=f"/any?access_token={valid}"), control=True)
    # The issuer answers what is no key set: the last good one stays in force. Then it signs with another key.
    strangers = sign("stranger", header, good)
    for stage, token, other in [("issuer fails", valid, strangers), ("issuer rotates", strangers, valid)]:
        entries.add(stage, "attacker", "token: of the key in force", http(path="/any", headers=[("Authorization", f"Bearer {token}")]), control=True)
        entries.add(stage, "attacker", "token: of another key", http(path="/any", headers=[("Authorization", f"Bearer {other}")]))


def swap(token, payload):
    parts = token.split(".")
    return ".".join([parts[0], encoded(payload), parts[2]])


def administration(entries):
    """The proxies' own interfaces from elsewhere."""
    for port in [15000, 15020, 15021, 15090, 15004]:
        for method, path in [("POST", "/quitquitquit"), ("GET", "/quitquitquit"), ("POST", "/drain_listeners"), ("GET", "/config_dump"),
                             ("GET", "/certs"), ("POST", "/logging?level=trace")]:
            entries.add("strict", "outsider", f"port {port}: {method} {path}", http(method, path), port=port, administration=True)


def all_attacks(sign):
    entries = List()
    without_identity(entries)
    wrong_certificates(entries)
    members(entries)
    allowed_paths(entries)
    pseudo_headers(entries)
    administration(entries)
    capture_ports(entries)
    port_level(entries)
    denied_paths(entries)
    tokens(entries, sign)
    return entries.entries
