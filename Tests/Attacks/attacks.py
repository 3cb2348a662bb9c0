"""The list of attacks: what is tried, from where, and under which configuration. `run.py` carries them out.

An attack succeeds when the application answers it. Controls are the opposite: requests that must get through, so that a
mesh which refuses everything does not pass."""
import base64
import json
import time

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
    for name in ["X-HTTP-Method-Override", "X-Method-Override"]:
        entries.add("strict", "frontend", f"DELETE with {name}: GET", http("DELETE", headers=[(name, "GET")]))
    for path in OUTSIDE:
        entries.add("strict", "frontend", f"GET {path}", http(path=path))
    for method, path in [("GET", "/api/users"), ("POST", "/api/users"), ("GET", "/api/"), ("GET", "/x/../api/users?a=b")]:
        entries.add("strict", "frontend", f"{method} {path}", http(method, path), control=True)


def normalisation(entries):
    """DENY for /admin and for a host, whichever way both are spelled."""
    for stage, paths in [("BASE", INSIDE), ("MERGE_SLASHES", INSIDE + MERGED), ("DECODE_AND_MERGE_SLASHES", INSIDE + MERGED + ESCAPED)]:
        for path in paths:
            entries.add(stage, "frontend", f"GET {path}", http(path=path))
        for host in ["internal.example.com", "INTERNAL.example.com", "Internal.Example.Com:80", "internal.example.com.",
                     "internal.example.com.:80", "internal.example.com:8080"]:
            entries.add(stage, "frontend", f"host {host}", http(path="/public", host=host), via="service")
        entries.add(stage, "frontend", "GET /public", http(path="/public"), control=True)
    entries.add("NONE", "frontend", "GET /admin", http(path="/admin"))
    entries.add("NONE", "frontend", "GET /public", http(path="/public"), control=True)


def encoded(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


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
        ("padding", sign("issuer", header, good) + "=="), ("trailing part", sign("issuer", header, good) + ".x"),
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
    entries.add("token", "attacker", "token: good, as a parameter", http(path=f"/any?access_token={valid}"), control=True)


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
    administration(entries)
    normalisation(entries)
    tokens(entries, sign)
    return entries.entries
