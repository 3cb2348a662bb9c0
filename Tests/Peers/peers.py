#!/usr/bin/env python3
"""One mesh, driven by Martlet's control plane, seen through Martlet's sidecar, a stock Envoy sidecar and gRPC's own xDS client.

Usage: peers.py MARTLET [envoy|change|tls|grpc|all]

envoy: the sidecars listen where a Sidecar resource says (captureMode NONE), so that no traffic has to be captured: first
Martlet's proxy, then Envoy, on the same port, with the same requests under the same configurations. Every answer
must be equal: status, endpoint, what the endpoint saw of the request, and what the client saw of the response; and no
proxy may refuse what the control plane sends.
change: no request fails while subsets come and go, in one file or in the wrong order; and a client of discovery that answers
slowly is told of clusters and endpoints before the routes that name them, and of their end after it.
tls: each of the two as client and as server of mutual TLS under STRICT, in two network namespaces; Envoy has its
certificates over SDS, Martlet's proxy asks for its own.
grpc: grpcio's own xDS client, with the bootstrap of `martlet bootstrap --grpc`.
Exits 1 and tells what is wrong when something is.
"""
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]
KINDS = ("martlet", "envoy")


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    failures = {}

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        name = self.server.name
        seen = {key.lower(): value for key, value in self.headers.items()}
        status = int(seen.get("x-want-status", 200))
        key = seen.get("x-fail-once")
        if key and Backend.failures.setdefault(key, 0) < 1:
            Backend.failures[key] += 1
            status = 503
        if "x-want-delay" in seen:
            time.sleep(float(seen["x-want-delay"]))
        kept = {k: v for k, v in seen.items() if k.startswith("x-test") or k in ("host", "x-envoy-original-path", "x-forwarded-client-cert")}
        document = json.dumps({"backend": name, "method": self.command, "path": self.path, "seen": kept,
                               "body": len(body)}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("x-test-backend", name)
        self.send_header("x-secret", "s3")
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(document)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass  # Who asked has given up.


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


def backend(name, address, port=0):
    server = Server((address, port), Backend)
    server.name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


SERVICES = """
apiVersion: v1
kind: Service
metadata: {{name: reviews, namespace: default}}
spec: {{clusterIP: 10.96.0.1, selector: {{app: reviews}}, ports: [{{name: http, port: {p}, targetPort: http}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: ratings, namespace: default}}
spec: {{clusterIP: 10.96.0.2, selector: {{app: ratings}}, ports: [{{name: http, port: {p}, targetPort: http}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews, namespace: default}}
spec:
  host: reviews
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: client, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: client}}}}
  egress:
  - port: {{number: {p}, name: http, protocol: HTTP}}
    bind: 127.0.0.1
    captureMode: NONE
    hosts: ["*/*"]
---
""".format(p=PORT)


def rule(http_rules, hosts="[reviews]", extra=""):
    return """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: test, namespace: default}
spec:
  hosts: %s
  http:
%s
%s
""" % (hosts, http_rules, extra)


def to(subset, more=""):
    return "route: [{destination: {host: reviews, subset: %s}%s}]" % (subset, more)


# (name, manifests, [(method, path, headers)])
GET = ("GET", "/a/b?x=1", {})
CASES = [
    ("a service without rules", "", [("GET", "/", {}, "ratings"), ("POST", "/x", {}, "ratings"),
                                     ("GET", "/y?z=1", {}, "ratings.default"),
                                     ("HEAD", "/", {}, "ratings.default.svc.cluster.local")]),
    ("a subset", rule("  - " + to("v2")), [GET, ("POST", "/", {}), ("PUT", "/", {}), ("DELETE", "/q", {})]),
    ("an exact header", rule("  - {match: [{headers: {x-test: {exact: a}}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/", {"x-test": "a"}), ("GET", "/", {"x-test": "A"}), ("GET", "/", {}), ("GET", "/", {"X-Test": "a"})]),
    ("a header's prefix", rule("  - {match: [{headers: {x-test: {prefix: ab}}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/", {"x-test": "abc"}), ("GET", "/", {"x-test": "ab"}), ("GET", "/", {"x-test": "a"}), GET]),
    ("a header's regex", rule("  - {match: [{headers: {x-test: {regex: 'a+'}}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/", {"x-test": "aaa"}), ("GET", "/", {"x-test": "aab"}), ("GET", "/", {"x-test": ""}), GET]),
    ("presence", rule("  - {match: [{headers: {x-test: {}}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/", {"x-test": "z"}), ("GET", "/", {"x-test": ""}), GET, ("GET", "/", {"x-other": "1"})]),
    ("withoutHeaders", rule("  - {match: [{withoutHeaders: {x-test: {exact: a}}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/", {"x-test": "a"}), ("GET", "/", {"x-test": "b"}), GET, ("GET", "/", {"x-test": ""})]),
    ("queryParams", rule("  - {match: [{queryParams: {v: {exact: '2'}, w: {regex: '[0-9]+'}}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/?v=2&w=77", {}), ("GET", "/?v=2", {}), ("GET", "/?w=1&v=2", {}), ("GET", "/?v=22&w=1", {})]),
    ("an exact path", rule("  - {match: [{uri: {exact: /a}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/a", {}), ("GET", "/a?x=1", {}), ("GET", "/a/", {}), ("GET", "/A", {})]),
    ("a path's prefix", rule("  - {match: [{uri: {prefix: /foo}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/foo", {}), ("GET", "/foobar", {}), ("GET", "/foo/x", {}), ("GET", "/fo", {})]),
    ("a path's regex", rule("  - {match: [{uri: {regex: '/v[0-9]+/.*'}}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/v1/x", {}), ("GET", "/v1", {}), ("GET", "/v1/?q=/v2/", {}), ("GET", "/x/v1/", {})]),
    ("ignoreUriCase", rule("  - {match: [{uri: {prefix: /foo}, ignoreUriCase: true}], %s}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/FOO/x", {}), ("GET", "/Foo", {}), ("GET", "/fo", {}), ("GET", "/foo", {})]),
    ("method and authority", rule("  - {match: [{method: {exact: POST}}, {authority: {prefix: ratings}}], %s}\n  - %s" % (to("v2"), to("v1")), hosts="[reviews, ratings]"),
     [("POST", "/", {}), GET, ("GET", "/", {}, "ratings"), ("PUT", "/", {})]),
    ("ports and labels of the client", rule("  - {match: [{sourceLabels: {app: other}}], %s}\n  - {match: [{port: 99}], %s}\n  - {match: [{sourceLabels: {app: client}, sourceNamespace: default, port: %d}], %s}" % (to("v1"), to("v1"), PORT, to("v2"))),
     [GET, ("POST", "/", {}), ("GET", "/z", {}), ("GET", "/", {"x-test": "1"})]),
    ("a rewritten prefix", rule("  - {match: [{uri: {prefix: /a/}}], rewrite: {uri: /}, %s}\n  - {rewrite: {uri: /all}, %s}" % (to("v2"), to("v1"))),
     [("GET", "/a/b?x=1", {}), ("GET", "/a/", {}), ("GET", "/b", {}), ("GET", "/", {})]),
    ("a rewritten regex and authority", rule("  - {match: [{uri: {prefix: /r}}], rewrite: {uriRegexRewrite: {match: '^/r/([a-z]+)/([0-9]+)', rewrite: '/\\2/\\1'}}, %s}\n  - {match: [{uri: {exact: /e}}], rewrite: {uri: /exact, authority: other.example.com}, %s}\n  - {rewrite: {authority: x.example.com}, %s}" % (to("v2"), to("v2"), to("v1"))),
     [("GET", "/r/abc/12/z?q=1", {}), ("GET", "/e?x=2", {}), ("GET", "/other", {}), ("GET", "/r/1", {})]),
    ("redirects", rule("  - {match: [{uri: {prefix: /old}}], redirect: {uri: /new, authority: n.example.com, redirectCode: 308}}\n  - {match: [{uri: {prefix: /p}}], redirect: {prefixRewrite: /q}}\n  - {match: [{uri: {prefix: /s}}], redirect: {scheme: https, port: 8443, redirectCode: 302}}\n  - {redirect: {scheme: https}}"),
     [("GET", "/old/x?y=1", {}), ("GET", "/p/z?a=b", {}), ("GET", "/s", {}), ("GET", "/any?k=v", {})]),
    ("direct responses", rule("  - {match: [{uri: {exact: /teapot}}], directResponse: {status: 418, body: {string: short}}, headers: {response: {set: {x-test-a: b}}}}\n  - {match: [{uri: {exact: /empty}}], directResponse: {status: 204}}\n  - %s" % to("v1")),
     [("GET", "/teapot", {}), ("GET", "/empty", {}), GET, ("POST", "/teapot", {})]),
    ("a timeout", rule("  - {timeout: 300ms, %s}" % to("v1")),
     [("GET", "/", {"x-want-delay": "1"}), ("GET", "/", {"x-want-delay": "0"}), GET, ("POST", "/", {"x-want-delay": "1"})]),
    ("retries", rule("  - {retries: {attempts: 2, retryOn: '5xx'}, %s}" % to("v1")),
     [("GET", "/", {"x-fail-once": "RUN-1"}), ("GET", "/", {"x-want-status": "500"}), GET, ("GET", "/", {"x-fail-once": "RUN-2"})]),
    ("no retries", rule("  - {retries: {attempts: 0}, %s}" % to("v1")),
     [("GET", "/", {"x-fail-once": "RUN-3"}), ("GET", "/", {"x-want-status": "503"}), GET, ("GET", "/", {"x-want-status": "404"})]),
    ("header operations", rule("  - headers: {request: {set: {x-test-set: a, x-test: over}, add: {x-test-add: b}, remove: [x-test-gone]}, response: {set: {x-test-r: c}, remove: [x-secret]}}\n    route: [{destination: {host: reviews, subset: v1}, headers: {request: {set: {x-test-d: d}}, response: {add: {x-test-r2: e}}}}]"),
     [("GET", "/", {"x-test": "1", "x-test-gone": "1"}), GET, ("POST", "/", {"x-test-add": "a"}), ("GET", "/", {"x-test-d": "q"})]),
    ("the host header set", rule("  - headers: {request: {set: {Host: set.example.com}}}\n    " + to("v1")),
     [GET, ("POST", "/", {}), ("GET", "/z", {}), ("GET", "/", {"x-test": "1"})]),
    ("an unknown subset and host", rule("  - {match: [{uri: {prefix: /s}}], route: [{destination: {host: reviews, subset: v1}}]}\n  - {route: [{destination: {host: nowhere.example.com}}]}"),
     [("GET", "/s", {}), ("GET", "/x", {}), ("POST", "/x", {}), ("GET", "/s/t", {})]),
    ("a delegate", rule("  - {match: [{uri: {prefix: /d}}], delegate: {name: part}}\n  - " + to("v1"), extra="""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: default}
spec:
  http:
  - {match: [{uri: {prefix: /d/two}}], rewrite: {uri: /deux}, %s}
""" % to("v2")),
     [("GET", "/d/two/x", {}), ("GET", "/d/one", {}), GET, ("GET", "/d", {})]),
    ("a host that is no service, and a wildcard", rule("  - " + to("v2"), hosts='["made.up.example", "*.wild.example"]'),
     [("GET", "/", {}, "made.up.example"), ("GET", "/", {}, "a.wild.example"), ("GET", "/", {}, "a.b.wild.example"),
                                                     ("GET", "/a/b?x=1", {}, "ratings")]),
    ("a TrafficSplit", """
apiVersion: split.smi-spec.io/v1alpha2
kind: TrafficSplit
metadata: {name: test, namespace: default}
spec: {service: reviews, backends: [{service: ratings, weight: 100}, {service: reviews, weight: 0}]}
""", [GET, ("POST", "/", {}), ("GET", "/z", {}), ("PUT", "/", {})]),
    ("rules in order", rule("  - {match: [{uri: {prefix: /a}}, {uri: {prefix: /b}, method: {exact: POST}}], %s}\n  - {match: [{uri: {prefix: /b}}], directResponse: {status: 403}}\n  - %s" % (to("v2"), to("v1"))),
     [("GET", "/a", {}), ("POST", "/b", {}), ("GET", "/b", {}), ("GET", "/c", {})]),
    ("no rule takes the request", rule("  - {match: [{uri: {prefix: /only}}], %s}" % to("v2")),
     [("GET", "/only", {}), ("GET", "/other", {}), ("POST", "/", {}), ("GET", "/onlyx", {})]),
    ("an aborted request", rule("  - {match: [{headers: {x-test: {exact: fail}}}], fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, %s}\n  - %s" % (to("v1"), to("v2"))),
     [("GET", "/", {"x-test": "fail"}), GET, ("POST", "/", {"x-test": "fail"}), ("GET", "/", {"x-test": "no"})]),
    ("a CORS policy", rule("  - corsPolicy: {allowOrigins: [{exact: 'https://a.example'}], allowMethods: [GET, PUT], allowHeaders: [x-test], maxAge: 1h, allowCredentials: true}\n    " + to("v1")),
     [("OPTIONS", "/", {"origin": "https://a.example", "access-control-request-method": "PUT"}),
      ("GET", "/", {"origin": "https://a.example"}), ("GET", "/", {"origin": "https://b.example"}), GET]),
]


class Mesh:
    def __init__(self, martlet, over_tcp=False):
        self.martlet = martlet
        self.over_tcp = over_tcp
        self.folder = tempfile.mkdtemp(prefix="peers-")
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state, 0o700)
        self.manifests = os.path.join(self.folder, "manifests")
        os.mkdir(self.manifests)
        with open(os.path.join(self.state, "token.key"), "w") as file:
            file.write(os.urandom(32).hex() + "\n")
        os.chmod(os.path.join(self.state, "token.key"), 0o600)
        self.children = []
        self.nacks = set()
        # What the changing file holds.
        self.case = ""
        self.listen = free_port()

    def start(self, services, workloads):
        self.write("services.yaml", services)
        with open(os.path.join(self.state, "workloads.json"), "w") as file:
            json.dump({"workloads": workloads}, file)
        self.run("control-plane", [self.martlet, "control-plane", "--config", self.manifests, "--state-dir", self.state,
                                   "--listen", "127.0.0.1:%d" % self.listen])
        wait(lambda: self.status() is not None, "the control plane")

    def write(self, name, text):
        path = os.path.join(self.manifests, name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)
        if name == "case.yaml":
            self.case = text

    def remove(self, name):
        path = os.path.join(self.manifests, name)
        if os.path.exists(path):
            os.unlink(path)

    def status(self):
        try:
            with open(os.path.join(self.state, "status.json")) as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def apply(self, text):
        """Puts a configuration in force and waits until the proxies have it."""
        before = self.status()["generation"]
        if text.strip() != self.case.strip():
            self.write("case.yaml", text)
            wait(lambda: self.status()["generation"] > before, "a new generation")
        def settled():
            now = self.status()
            return all(p["ackedGeneration"] >= now["generation"] for p in now["proxies"])
        wait(settled, "the proxies")
        self.nacks |= {(p["id"], text) for p in self.status()["proxies"] for text in p["nacks"]}

    def run(self, name, words, environment=None):
        log = open(os.path.join(self.folder, name + ".log"), "w")
        child = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        self.children.append(child)
        return child

    def proxy(self, kind, pod, labels, ip="127.0.0.1", account="default", around=()):
        """Starts a sidecar of either kind from the same bootstrap."""
        path = self.bootstrap("envoy", pod, labels, ip, account)
        if kind == "envoy":
            words = ["envoy", "-c", path, "--disable-hot-restart", "--concurrency", "1", "-l", "warn"]
            return self.run(kind + "-" + pod, [*around, *words])
        with open(path) as file:
            document = json.load(file)
        # Martlet's proxy has its tokens in a file of their own, because they change.
        token = document["dynamic_resources"]["ads_config"]["grpc_services"][0].pop("initial_metadata")[0]["value"]
        with open(path, "w") as file:
            json.dump(document, file)
        tokens = path + ".tokens"
        with open(tokens, "w") as file:
            json.dump({"ca": mint_ca(self, pod, account), "xds": token[len("Bearer "):]}, file)
        words = [self.martlet, "proxy", "-c", path, "--tokens", tokens, "--concurrency", "1"]
        return self.run(kind + "-" + pod, [*around, *words])

    def bootstrap(self, kind, pod, labels, ip="127.0.0.1", account="default"):
        words = [self.martlet, "bootstrap", "--" + kind, "--state-dir", self.state, "--pod", pod, "--ip", ip,
                 "--service-account", account]
        for label in labels:
            words += ["--label", label]
        words += ["--admin-port", str(free_port())]
        if kind == "grpc" or self.over_tcp:
            words += ["--address", "127.0.0.1:%d" % self.listen]
        path = os.path.join(self.folder, kind + "-" + pod + ".json")
        with open(path, "w") as file:
            subprocess.run(words, check=True, stdout=file)
        os.chmod(path, 0o600)
        return path

    def end(self, child):
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def stop(self):
        for child in reversed(self.children):
            if child.poll() is None:
                self.end(child)
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(condition, what, seconds=20):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError("waited %d seconds for %s" % (seconds, what))


def accepts(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


def ask(method, path, headers, host, run, address=("127.0.0.1", PORT)):
    sent = {k: v.replace("RUN", run) for k, v in headers.items()}
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path, headers={"host": host, **sent})
        response = connection.getresponse()
        body = response.read().decode()
        kept = {k.lower(): v for k, v in response.getheaders()
                if k.lower().startswith(("x-test", "access-control")) or k.lower() in ("location", "x-secret")}
        try:
            document = json.loads(body)
            seen = document["seen"]
            if "x-forwarded-client-cert" in seen:
                # Certificates differ from run to run.
                parts = seen["x-forwarded-client-cert"].split(";")
                seen["x-forwarded-client-cert"] = ";".join(p for p in parts if not p.startswith("Hash="))
        except ValueError:
            document = body if response.status < 400 or response.status == 418 else "(text)"
        return {"status": response.status, "headers": kept, "body": document}
    finally:
        connection.close()


def sidecars(mesh):
    """The answers of each kind of sidecar, by case and request."""
    answers = {}
    for kind in KINDS:
        child = mesh.proxy(kind, "client-" + kind, ["app=client"])
        wait(lambda: accepts(PORT), kind + " to listen")
        for name, manifests, requests in CASES:
            mesh.apply(manifests)
            time.sleep(0.05)
            withheld = [e["message"] for e in mesh.status()["errors"] if "not carried out yet" in e["message"]]
            if withheld:
                # The control plane says itself that the two will differ: no case for this table.
                raise RuntimeError("%s: %s" % (name, withheld[0]))
            for number, request in enumerate(requests):
                method, path, headers = request[:3]
                host = request[3] if len(request) > 3 else "reviews"
                answers.setdefault((name, number), {})[kind] = ask(method, path, headers, host, kind)
        if child.poll() is not None:
            raise RuntimeError(kind + " ended")
        mesh.end(child)
    return answers


def mint_ca(mesh, pod, account):
    """A one-time token for the first certificate, as `martlet up` makes it."""
    import base64
    import hashlib
    import hmac
    with open(os.path.join(mesh.state, "token.key")) as file:
        key = bytes.fromhex(file.read().strip())
    payload = json.dumps({"aud": "ca", "exp": int(time.time()) + 3600, "nonce": os.urandom(16).hex(), "ns": "default",
                          "pod": pod, "sa": account}, separators=(",", ":"), sort_keys=True).encode()
    text = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
    return text(payload) + "." + text(hmac.new(key, payload, hashlib.sha256).digest())


def workload(name, app, port, labels=None, ip="127.0.0.1", **more):
    return {"name": name, "namespace": "default", "ip": ip, "workload": name, "serviceAccount": "default",
            "labels": {"app": app, **(labels or {})}, "ports": [{"name": "http", "number": port}], "ready": True,
            "sidecar": False, **more}


def envoy_test(martlet):
    # Both have their configuration over TCP, behind TLS.
    mesh = Mesh(martlet, over_tcp=True)
    try:
        ports = {name: backend(name, "127.0.0.1") for name in ("reviews-v1", "reviews-v2", "ratings")}
        mesh.start(SERVICES, [
            workload("reviews-v1", "reviews", ports["reviews-v1"], {"version": "v1"}),
            workload("reviews-v2", "reviews", ports["reviews-v2"], {"version": "v2"}),
            workload("ratings", "ratings", ports["ratings"]),
        ])
        answers = sidecars(mesh)
        different = [(key, value) for key, value in answers.items() if value["martlet"] != value["envoy"]]
        for (name, number), value in different:
            print("%s, request %d:\n  martlet %s\n  envoy   %s" % (name, number, value["martlet"], value["envoy"]))
        print("%d requests over %d configurations, %d answered differently" % (
            len(answers), len({name for name, _ in answers}), len(different)))
        for proxy, text in sorted(mesh.nacks):
            print("%s refuses: %s" % (proxy, text))
        asked = sum(len(requests) for _, _, requests in CASES)
        return not different and not mesh.nacks and len(answers) == asked
    finally:
        if os.environ.get("PEERS_KEEP"):
            print(mesh.folder)
            for child in reversed(mesh.children):
                if child.poll() is None:
                    mesh.end(child)
        else:
            mesh.stop()


def subset_rule(name):
    return """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings, namespace: default}
spec: {host: ratings, subsets: [{name: %s, labels: {app: ratings}}]}
---
""" % name


def subset_route(name):
    return rule("  - route: [{destination: {host: ratings, subset: %s}}]" % name, hosts="[ratings]")


def churn(mesh, rounds):
    """Renames a subset and the route to it, again and again."""
    for number in range(rounds):
        name = "n%d" % number
        if number % 3 == 0:
            mesh.apply(subset_rule(name) + subset_route(name))
        elif number % 3 == 1:
            # The route first: it names what is not there yet.
            mesh.write("case.yaml", subset_rule("n%d" % (number - 1)) + subset_route(name))
            time.sleep(0.15)
            mesh.apply(subset_rule(name) + subset_route(name))
        else:
            # The rule first: the route still names what is gone.
            mesh.write("case.yaml", subset_rule(name) + subset_route("n%d" % (number - 1)))
            time.sleep(0.15)
            mesh.apply(subset_rule(name) + subset_route(name))


class Load:
    """Requests without a pause over a few kept connections."""

    def __init__(self, host):
        self.host = host
        self.found = {}
        self.ends = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        while not self.ends.is_set():
            try:
                connection.request("GET", "/", headers={"host": self.host})
                response = connection.getresponse()
                response.read()
                outcome = response.status
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
                connection.close()
            with self.lock:
                self.found[outcome] = self.found.get(outcome, 0) + 1
            time.sleep(0.002)
        connection.close()

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        return self.found


class Recorder:
    """A client of aggregated discovery (delta) that takes its time before each answer and writes down what it is told."""

    WORDS = {"clusters": "envoy.config.cluster.v3.Cluster", "endpoints": "envoy.config.endpoint.v3.ClusterLoadAssignment",
             "listeners": "envoy.config.listener.v3.Listener", "routes": "envoy.config.route.v3.RouteConfiguration"}

    def __init__(self, mesh):
        import queue

        import grpc
        from envoy.config.core.v3 import base_pb2
        from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
        from google.protobuf import json_format
        with open(mesh.bootstrap("envoy", "client-recorder", ["app=client"])) as file:
            document = json.load(file)
        self.messages = discovery_pb2
        self.held = {kind: {} for kind in self.WORDS}
        self.failures = []
        self.answers = 0
        self.isComplete = False
        self.requests = queue.Queue()
        node = json_format.ParseDict(document["node"], base_pb2.Node(), ignore_unknown_fields=True)
        header = document["dynamic_resources"]["ads_config"]["grpc_services"][0]["initial_metadata"][0]
        self.send("clusters", node=node)
        self.send("listeners")
        with open(os.path.join(mesh.state, "xds-ca.pem"), "rb") as file:
            trust = grpc.ssl_channel_credentials(file.read())
        self.channel = grpc.secure_channel("127.0.0.1:%d" % mesh.listen, trust)
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(self.channel)
        self.call = stub.DeltaAggregatedResources(iter(self.requests.get, None),
                                                  metadata=[(header["key"], header["value"])])
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def send(self, kind, names=(), gone=(), nonce="", node=None):
        self.requests.put(self.messages.DeltaDiscoveryRequest(
            node=node, type_url="type.googleapis.com/" + self.WORDS[kind], resource_names_subscribe=names,
            resource_names_unsubscribe=gone, response_nonce=nonce))

    def read(self):
        import grpc
        from envoy.config.cluster.v3 import cluster_pb2
        from envoy.config.endpoint.v3 import endpoint_pb2
        from envoy.config.listener.v3 import listener_pb2  # noqa: F401
        from envoy.config.route.v3 import route_pb2
        try:
            for response in self.call:
                kind = next(k for k, word in self.WORDS.items() if response.type_url.endswith("/" + word))
                time.sleep(0.03)
                wanted = []
                for resource in response.resources:
                    value = resource.resource.value
                    if kind == "clusters":
                        cluster = cluster_pb2.Cluster.FromString(value)
                        if cluster.type == cluster_pb2.Cluster.EDS and resource.name not in self.held["endpoints"]:
                            wanted.append(resource.name)
                    elif kind == "listeners" and resource.name == "127.0.0.1_%d" % PORT:
                        self.send("routes", names=["127.0.0.1:%d" % PORT])
                    elif kind == "endpoints":
                        value = len(endpoint_pb2.ClusterLoadAssignment.FromString(value).endpoints)
                    elif kind == "routes":
                        self.check(route_pb2.RouteConfiguration.FromString(value))
                    self.held[kind][resource.name] = value
                for name in response.removed_resources:
                    self.held[kind].pop(name, None)
                if response.removed_resources and kind in ("clusters", "endpoints"):
                    for value in self.held["routes"].values():
                        self.check(route_pb2.RouteConfiguration.FromString(value))
                # As Envoy does: what new clusters need is asked for before they are acknowledged.
                if wanted:
                    self.send("endpoints", names=wanted)
                self.send(kind, nonce=response.nonce)
                self.answers += 1
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.CANCELLED:
                self.failures.append(str(error))

    def check(self, table):
        """Everything that a route names is held: a cluster, and endpoints where they are discovered."""
        if not self.isComplete:
            return
        for host in table.virtual_hosts:
            for route in host.routes:
                name = route.route.cluster
                if name.startswith("outbound|") and not self.held["endpoints"].get(name):
                    self.failures.append("a route names %s, which is not there" % name)
                if name and name not in self.held["clusters"]:
                    self.failures.append("a route names the cluster %s, which is not there" % name)

    def stop(self):
        self.requests.put(None)
        self.call.cancel()
        self.thread.join()
        self.channel.close()


def change_test(martlet):
    mesh = Mesh(martlet)
    good = True
    try:
        port = backend("ratings", "127.0.0.1")
        other = backend("reviews-v1", "127.0.0.1")
        mesh.start(SERVICES, [workload("ratings", "ratings", port),
                              workload("reviews-v1", "reviews", other, {"version": "v1"}),
                              workload("reviews-v2", "reviews", other, {"version": "v2"})])
        for kind in KINDS:
            child = mesh.proxy(kind, "client-" + kind, ["app=client"])
            wait(lambda: accepts(PORT), kind + " to listen")
            mesh.apply(subset_rule("first") + subset_route("first"))
            load = Load("ratings")
            churn(mesh, 12)
            found = load.stop()
            print("%s while subsets come and go: %s" % (kind, found))
            good = good and set(found) == {200} and found[200] > 100
            mesh.end(child)
        recorder = Recorder(mesh)
        # What it subscribed to by itself came in no order.
        wait(lambda: recorder.held["routes"] and recorder.held["endpoints"], "the recorder's first resources")
        recorder.isComplete = True
        churn(mesh, 9)
        recorder.stop()
        print("told in order: %d answers, %d faults" % (recorder.answers, len(recorder.failures)),
              *recorder.failures[:5], sep="\n")
        return good and not recorder.failures and not mesh.nacks and recorder.answers > 30
    finally:
        mesh.stop()


TLS_SERVICES = SERVICES + """
apiVersion: v1
kind: Service
metadata: {name: secure, namespace: default}
spec: {clusterIP: 10.96.0.3, selector: {app: secure}, ports: [{name: http, port: %d, targetPort: http}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
---
""" % PORT
TLS_REQUESTS = [("GET", "/a?x=1", {}), ("POST", "/b", {"x-test": "1"}), ("GET", "/", {"x-want-status": "404"}),
                ("GET", "/c", {"x-forwarded-client-cert": "URI=spiffe://forged"})]
ADDRESSES = "10.77.0.1", "10.77.0.2"


def tls_test(martlet):
    """Runs itself in namespaces of its own: a pod's proxy takes all connections that come to the pod."""
    script = "ip link set lo up && exec python3 \"$@\""
    inner = [os.path.abspath(__file__), martlet, "tls-inside"]
    return subprocess.run(["unshare", "-rn", "sh", "-c", script, "sh", *inner]).returncode == 0


def tls_inside(martlet):
    mesh = Mesh(martlet)
    failures = []
    try:
        room = mesh.run("room", ["unshare", "-n", "sleep", "600"])
        there = ["nsenter", "--net=/proc/%d/ns/net" % room.pid]
        own = os.readlink("/proc/self/ns/net")
        wait(lambda: os.readlink("/proc/%d/ns/net" % room.pid) != own, "a second namespace")
        for words in (["ip", "link", "add", "name", "near", "type", "veth", "peer", "name", "far", "netns", str(room.pid)],
                      ["ip", "address", "add", ADDRESSES[0] + "/24", "dev", "near"], ["ip", "link", "set", "near", "up"],
                      there + ["ip", "address", "add", ADDRESSES[1] + "/24", "dev", "far"],
                      there + ["ip", "link", "set", "far", "up"], there + ["ip", "link", "set", "lo", "up"],
                      there + ["nft", "add table ip capture; add chain ip capture in "
                               "{ type nat hook prerouting priority dstnat; }; "
                               "add rule ip capture in tcp dport 8080 redirect to :15006"]):
            subprocess.run(words, check=True)
        mesh.run("backend", there + [sys.executable, os.path.abspath(__file__), martlet, "backend"])
        mesh.start(TLS_SERVICES, [workload("secure", "secure", 8080, ip=ADDRESSES[1], sidecar=True, serviceAccount="secure")])
        answers = {}
        for server in KINDS:
            behind = mesh.proxy(server, "secure", ["app=secure"], ADDRESSES[1], "secure", there)
            wait(lambda: accepts(8080, ADDRESSES[1]), server + " as server")
            for client in KINDS:
                before = mesh.proxy(client, "client", ["app=client"])
                wait(lambda: accepts(PORT), client + " as client")
                wait(lambda: ask("GET", "/", {}, "secure", "")["status"] == 200, "an answer")
                answers[client, server] = [ask(*request, "secure", "") for request in TLS_REQUESTS]
                mesh.end(before)
            try:
                refused = ask("GET", "/", {}, "secure", "", (ADDRESSES[1], 8080))
                failures.append("%s answers in clear under STRICT: %s" % (server, refused))
            except (OSError, http.client.HTTPException):
                pass
            mesh.end(behind)
            mesh.nacks |= {(p["id"], text) for p in mesh.status()["proxies"] for text in p["nacks"]}
        first = answers[KINDS[0], KINDS[0]]
        certificate = first[0]["body"]["seen"].get("x-forwarded-client-cert", "")
        wanted = "URI=spiffe://cluster.local/ns/default/sa/default"
        if wanted not in certificate or "forged" in first[3]["body"]["seen"].get("x-forwarded-client-cert", ""):
            failures.append("the server does not tell who called: " + certificate)
        for pair, found in answers.items():
            if found != first:
                failures.append("%s to %s:\n  %s\ninstead of\n  %s" % (*pair, found, first))
        failures += ["%s refuses: %s" % pair for pair in sorted(mesh.nacks)]
        print("mutual TLS: %d requests over %d pairs of client and server" % (
            sum(map(len, answers.values())), len(answers)), *failures, sep="\n")
        return not failures
    finally:
        mesh.stop()


GRPC_CLIENT = r"""
import collections, json, sys, grpc
target, count, metadata = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
found = collections.Counter()
with grpc.insecure_channel(target) as channel:
    grpc.channel_ready_future(channel).result(15)
    call = channel.unary_unary("/test.Echo/Who")
    for _ in range(count):
        try:
            found[call(b"", metadata=metadata, timeout=5).decode()] += 1
        except grpc.RpcError as error:
            found[str(error.code())] += 1
print(json.dumps(found))
"""


def grpc_backend(name):
    import grpc
    from concurrent import futures

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())

    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


GRPC_SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default}
spec: {clusterIP: 10.96.0.1, selector: {app: echo}, ports: [{name: grpc, port: 7070, targetPort: http}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo, namespace: default}
spec:
  host: echo
  %s
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
"""


def grpc_rule(rules):
    return rule(rules, hosts="[echo]").replace("host: reviews", "host: echo")


def grpc_test(martlet):
    mesh = Mesh(martlet)
    failures = []
    try:
        backends = {name: grpc_backend(name) for name in ("v1", "v2")}
        pods = [workload("echo-" + name, "echo", port, {"version": name, "istio-locality": "here." + name})
                for name, (_, port) in backends.items()]
        pods.append(workload("client", "client", 1, {"istio-locality": "here.v1"}))
        mesh.start(GRPC_SERVICES % "", pods)
        path = mesh.bootstrap("grpc", "client", ["app=client", "istio-locality=here.v1"])
        environment = dict(os.environ, GRPC_XDS_BOOTSTRAP=path, GRPC_VERBOSITY="ERROR")

        def calls(count, metadata=()):
            out = subprocess.run([sys.executable, "-c", GRPC_CLIENT, "xds:///echo.default:7070", str(count),
                                  json.dumps(list(metadata))], env=environment, capture_output=True, text=True,
                                 timeout=60)
            return json.loads(out.stdout) if out.returncode == 0 else {"error": out.stderr[-300:]}

        def check(what, found, holds):
            print("%s: %s" % (what, found))
            if not holds:
                failures.append(what)

        found = calls(40)
        check("balanced over both", found, found.get("v1", 0) >= 10 and found.get("v2", 0) >= 10)
        mesh.apply(grpc_rule("  - route: [{destination: {host: reviews, subset: v1}, weight: 80}, {destination: {host: reviews, subset: v2}, weight: 20}]"))
        found = calls(500)
        # Five standard deviations of 500 draws at 20 percent.
        check("weighted 80 to 20", found, 55 <= found.get("v2", 0) <= 145 and found.get("v1", 0) + found.get("v2", 0) == 500)
        mesh.apply(grpc_rule("  - {match: [{headers: {x-test: {exact: two}}}], %s}\n  - %s" % (to("v2"), to("v1"))))
        one, two = calls(20), calls(20, [("x-test", "two")])
        check("matched by header", (one, two), one == {"v1": 20} and two == {"v2": 20})
        mesh.apply("")
        before = mesh.status()["generation"]
        mesh.write("services.yaml", GRPC_SERVICES % "trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: here/*, to: {here/v1: 90, here/v2: 10}}]}}}")
        wait(lambda: mesh.status()["generation"] > before, "the weights of localities")
        found = calls(500)
        check("weighted by locality 90 to 10", found, 20 <= found.get("v2", 0) <= 85 and found.get("v1", 0) + found.get("v2", 0) == 500)
        return not failures
    finally:
        mesh.stop()


def main():
    martlet = os.path.abspath(sys.argv[1])
    what = sys.argv[2] if len(sys.argv) > 2 else "all"
    good = True
    if what == "backend":
        backend("secure", ADDRESSES[1], 8080)
        threading.Event().wait()
    if what in ("envoy", "all"):
        good = envoy_test(martlet) and good
    if what in ("change", "all"):
        good = change_test(martlet) and good
    if what in ("tls", "all"):
        good = tls_test(martlet) and good
    if what == "tls-inside":
        good = tls_inside(martlet)
    if what in ("grpc", "all"):
        good = grpc_test(martlet) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
