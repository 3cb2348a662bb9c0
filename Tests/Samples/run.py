#!/usr/bin/env python3
"""Loads every manifest of Istio's samples, and plays those that are about traffic in a running mesh: programs of ours stand in
for their images, the requests that their pages describe are sent, and the effects that they describe are looked for.

The argument is the folder of the samples, MARTLET names the executable. Exit status 0: all as described. Bookinfo's requests
and weights are played by BookinfoTests; LOADED says which samples are only loaded, and why."""
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Attacks"))
from harness import MARTLET, Mesh, run  # noqa: E402

SAMPLES = pathlib.Path(sys.argv[1]).resolve()
DATA = "tests-testdata-config"

# Samples that are loaded only, by the beginning of their names.
LOADED = {
    "bookinfo/gateway-api/": "Kubernetes' Gateway API: not one of Istio's own kinds",
    "helloworld/gateway-api/": "as above",
    "httpbin/gateway-api/": "as above",
    "tcp-echo/gateway-api/": "as above",
    "bookinfo/platform/kube/": "the same programs once more (BookinfoTests runs bookinfo.yaml), databases, address families",
    "bookinfo/policy/": "an EnvoyFilter",
    "bookinfo/demo-profile-no-gateways.yaml": "an installation",
    "bookinfo/swagger.yaml": "no manifest",
    "bookinfo/networking/bookinfo-gateway.yaml": "played by BookinfoTests",
    "bookinfo/networking/certmanager-gateway.yaml": "wants a certificate manager",
    "bookinfo/networking/egress-rule-google-apis.yaml": "the Internet",
    "bookinfo/networking/virtual-service-": "played by BookinfoTests, or as its neighbours for subsets that need a database",
    "custom-bootstrap/": "a bootstrap of Envoy's",
    "external/github.yaml": "the Internet",
    "extauthz/": "an image; authorizers are played by SecurityTests of the filters and by Tests/Differential",
    "grpc-echo/": "an image; gRPC without proxies is played by Tests/Peers",
    "health-check/": "an image",
    "helloworld/helloworld-dual-stack.yaml": "IPv6",
    "httpbin/httpbin-nodeport.yaml": "the same program behind a node's port",
    "httpbin/sample-client/": "a load generator",
    "jwt": "keys and tokens; played by Tests/Conformance",
    "mtls-echo/": "an image",
    "ratelimit/": "an EnvoyFilter",
    "security/": "another authority (SPIRE)",
    "tcp-echo/tcp-echo": "the same program once more, address families",
    f"{DATA}/ingress.yaml": "files of an image; the same rules as helloworld's gateway",
    f"{DATA}/gateway-all.yaml": "as above",
    f"{DATA}/gateway-tcp-a.yaml": "a port, with no route",
    f"{DATA}/ingressgateway.yaml": "files of an image",
    f"{DATA}/egressgateway.yaml": "files of an image",
    f"{DATA}/rule-ingressgateway.yaml": "bound to that gateway",
    f"{DATA}/rule-route-via-egressgateway.yaml": "bound to that gateway; se-example-gw.yaml shows the same",
    f"{DATA}/rule-default-route.yaml": "bound to a gateway with files of an image",
    f"{DATA}/virtual-service-all.yaml": "as above",
    f"{DATA}/none.yaml": "an image that is told to use the proxy; the Fields of MeshTests show these Sidecars",
    f"{DATA}/se-example.yaml": "addresses of the Internet",
    f"{DATA}/static-weighted-se.yaml": "addresses of the Internet",
    f"{DATA}/destination-rule-fqdn.yaml": "a host of the Internet",
    f"{DATA}/destination-rule-ssl.yaml": "as above",
    f"{DATA}/destination-rule-passthrough.yaml": "as above",
    f"{DATA}/destination-rule-locality.yaml": "a host that is nowhere",
}

# What the samples' pages take for granted, and who asks.
OWN = """
apiVersion: v1
kind: Namespace
metadata: {name: testns, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: exampleegressgw, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: tornado}
spec: {selector: {app: tornado}, ports: [{name: http, port: 8888}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tornado, labels: {app: tornado}}
spec: {containers: [{name: tornado, command: [python3, STAND_IN, http, "0.0.0.0:8888"], ports: [{containerPort: 8888}]}]}
---
# The endpoints of the test data are the caller's own: 127.0.0.2 and 127.0.0.3.
apiVersion: v1
kind: Pod
metadata: {name: asker, namespace: testns, labels: {app: asker, version: v1}}
spec: {containers: [{name: asker, command: [python3, STAND_IN, http, "127.0.0.2:7072", "127.0.0.3:7074", "127.0.0.2:8080", "127.0.0.3:8081", "127.0.0.3:8002", "0.0.0.0:9999"], ports: [{containerPort: 9999}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: testns, labels: {app: stranger, version: v9}}
spec: {containers: [{name: stranger, command: [python3, STAND_IN, http, "127.0.0.2:8080", "127.0.0.3:8081"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: outsider, labels: {app: outsider, sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: outsider, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: insider, namespace: exampleegressgw, labels: {app: insider}}
spec: {containers: [{name: insider, command: [sleep, infinity]}]}
---
# Istio's installation has it.
apiVersion: v1
kind: Service
metadata: {name: istio-egressgateway, namespace: istio-system}
spec: {selector: {istio: egressgateway}, ports: [{name: http2, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ports, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [nobody.test]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ports-out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [nobody.test]}]
"""

IMAGES = """
images:
- {image: registry.istio.io/release/examples-bookinfo-, command: [martlet, example-service, "--name=${NAME}", "--version=${VERSION}", "--port=${PORT}"]}
- {image: registry.istio.io/release/examples-helloworld-, command: [martlet, example-service, "--name=${NAME}", "--version=${VERSION}", "--port=${PORT}"]}
- {image: docker.io/mccutchen/go-httpbin, command: [martlet, example-service, "--name=${NAME}", "--version=${VERSION}", "--port=${PORT}"]}
- {image: registry.istio.io/release/tcp-echo-server, command: [python3, STAND_IN, tcp-echo]}
"""


class Samples(Mesh):
    def __init__(self, folder):
        super().__init__(folder)
        self.http, self.tcp = free_port(), free_port()
        self.problems, self.asked, self.shown = [], 0, set()

    def begin(self):
        local = self.folder / "local.yaml"
        local.write_text(IMAGES.replace("STAND_IN", str(self.folder / "stand_in.py")))
        subprocess.run([MARTLET, "up", str(self.manifests), "--detach", "--no-ui", "--state-dir", str(self.state), "--local", str(local),
                        "--port", f"80={self.http}", "--port", f"8080={self.http}", "--port", f"31400={self.tcp}"],
                       check=True, stdout=subprocess.DEVNULL)

    def play(self, *names, extra="", without=""):
        """Puts samples in force, but for documents of the kind `without`."""
        texts = [extra]
        for name in names:
            self.shown.add(name)
            texts += documents(name, without=without)
        self.name = ", ".join(names)
        for message in self.configure(self.name, "\n---\n".join(texts)):
            self.problems.append(f"{self.name}: {message}")

    def expect(self, what, good, seen):
        self.asked += 1
        if not good:
            self.problems.append(f"{self.name}: {what}: {str(seen)[:700]}")

    def ask(self, sender, url, *flags, times=1):
        """Heads and bodies of the answers; `outside` asks the ingress gateway."""
        words = ["curl"]
        for number in range(times):
            words += (["--next"] if number else []) + ["-s", "-i", "--max-time", "15", "-w", "\n@@answer\n", *flags, url]
        if sender == "outside":
            text = subprocess.run(words, capture_output=True, text=True).stdout
        else:
            text = subprocess.run([MARTLET, "exec", "--state-dir", str(self.state), sender, "--", *words],
                                  capture_output=True, text=True).stdout
        return [answer.strip() for answer in text.split("@@answer")[:-1]]

    def one(self, what, sender, url, *flags, has=(), lacks=(), times=1):
        answers = self.ask(sender, url, *flags, times=times)
        good = len(answers) == times and all(all(part in answer for part in has) and not any(part in answer for part in lacks)
                                             for answer in answers)
        self.expect(what, good, answers)

    def share(self, what, part, share, measure, times):
        """A second sample of its own decides about one that is far off."""
        for _ in range(2):
            hits = sum(part in answer for answer in measure(times))
            if abs(hits - share * times) <= 4 * math.sqrt(times * share * (1 - share)):
                break
        else:
            return self.expect(what, False, f"{part} in {hits} of {times}")
        self.expect(what, True, hits)


def documents(name, only="", without=""):
    """The documents of a sample, of one kind only or but one kind."""
    found = []
    for text in re.split(r"^---.*$", (SAMPLES / name).read_text(), flags=re.M):
        kind = re.search(r"^kind: *(\w+)", text, flags=re.M)
        if kind and kind[1] != without and kind[1] in (only or kind[1]):
            found.append(text)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def lines(port, count):
    """What a line to the TCP echo behind the gateway brings back, each over a connection of its own."""
    found = []
    for _ in range(count):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"world\n")
                found.append(connection.makefile().readline().strip())
        except OSError as error:
            return [str(error)]
    return found


UPGRADE = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


def main():
    manifests = [str(path.relative_to(SAMPLES)) for path in sorted(SAMPLES.rglob("*.yaml"))]
    if os.fork() == 0:
        sys.exit(subprocess.run([MARTLET, "validate", *map(str, (SAMPLES / name for name in manifests if "swagger" not in name))],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0)
    with tempfile.TemporaryDirectory(prefix="s", dir=os.environ.get("TMPDIR", "/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "stand_in.py").write_text((HERE / "stand_in.py").read_text())
        mesh = Samples(folder)
        # The ports of a gateway are there from the start.
        (mesh.manifests / "port.yaml").write_text("\n---\n".join(documents("tcp-echo/tcp-echo-all-v1.yaml", only="Gateway")))
        (mesh.manifests / "own.yaml").write_text(OWN.replace("STAND_IN", str(folder / "stand_in.py")))
        workloads = ["helloworld/helloworld.yaml", "httpbin/httpbin.yaml", "tcp-echo/tcp-echo-services.yaml", "curl/curl.yaml",
                     "sleep/sleep.yaml", "bookinfo/platform/kube/bookinfo.yaml", "bookinfo/platform/kube/bookinfo-details-v2.yaml",
                     "bookinfo/platform/kube/bookinfo-ratings-v2.yaml"]
        for number, sample in enumerate(workloads):
            mesh.shown.add(sample)
            (mesh.manifests / f"{number}.yaml").write_text((SAMPLES / sample).read_text())
        (mesh.manifests / "changing.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: nothing}\n")
        try:
            mesh.begin()
            gateways(mesh)
            data(mesh)
            bookinfo(mesh)
        finally:
            mesh.stop()
    unknown = [name for name in manifests if name not in mesh.shown and not any(name.startswith(part) for part in LOADED)]
    if unknown:
        mesh.problems.append(f"neither played nor listed: {unknown}")
    if os.wait()[1] != 0:
        mesh.problems.append("martlet validate refuses a sample")
    for problem in mesh.problems:
        print("samples:", problem, file=sys.stderr)
    print(f"samples: {len(manifests)} load, {len(mesh.shown)} played with {mesh.asked} observations, {len(mesh.problems)} problems")
    sys.exit(1 if mesh.problems else 0)


def gateways(mesh):
    entry = f"http://127.0.0.1:{mesh.http}"
    mesh.play("helloworld/helloworld-gateway.yaml")
    mesh.share("both versions answer /hello", '"version":"v1"', 0.5, lambda count: mesh.ask("outside", entry + "/hello", times=count), 100)
    mesh.one("/hello is there", "outside", entry + "/hello", has=["200 OK", '"service":"helloworld"'])
    mesh.one("and nothing else", "outside", entry + "/other", has=["404 Not Found"])
    mesh.play("httpbin/httpbin-gateway.yaml")
    mesh.one("everything goes to httpbin", "outside", entry + "/status/418?status=418", has=["HTTP/1.1 418", '"service":"httpbin"'])
    mesh.one("also from a pod", "curl", "http://httpbin:8000/get", has=["200 OK", '"service":"httpbin"'])
    mesh.one("of the older sample", "sleep", "http://httpbin:8000/get", has=["200 OK", '"service":"httpbin"'])
    mesh.play("websockets/route.yaml")
    with socket.create_connection(("127.0.0.1", mesh.http), timeout=10) as connection:
        head = "\r\n".join(["GET /ws HTTP/1.1", "Host: x", *UPGRADE[1::2], "", ""])
        connection.sendall(head.encode())
        answer = connection.recv(65536).decode()
        connection.sendall(b"\x81\x05hello")
        echoed = connection.recv(65536)
    mesh.expect("a WebSocket through the gateway", answer.startswith("HTTP/1.1 101") and echoed == b"\x81\x05hello", answer)
    mesh.play("tcp-echo/tcp-echo-all-v1.yaml", without="Gateway")
    seen = lines(mesh.tcp, 20)
    mesh.expect("TCP goes to v1", set(seen) == {"one world"}, seen)
    # The page applies this one on top: the DestinationRule stays.
    rules = documents("tcp-echo/tcp-echo-all-v1.yaml", only="DestinationRule")
    mesh.play("tcp-echo/tcp-echo-20-v2.yaml", extra="\n---\n".join(rules))
    mesh.share("a fifth of TCP goes to v2", "two world", 0.2, lambda count: lines(mesh.tcp, count), 200)


def data(mesh):
    """Istio's own integration data: hosts outside whose endpoints are the caller's loopback."""
    names = ["rule-default-route-append-headers", "rule-default-route-cors-policy", "rule-redirect-injection", "rule-regex-route",
             "rule-weighted-route", "rule-content-route", "rule-websocket-route", "byon", "external_services", "destination-rule-all",
             "authn"]
    mesh.play(*[f"{DATA}/{name}.yaml" for name in names])
    asker = "testns/asker"
    mesh.one("a header is added", asker, "http://appendh.test.istio.io/", has=["200 OK", '"istio-custom-header": "user-defined-value"'])
    preflight = ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST"]
    mesh.one("a preflight is answered", asker, "http://cors.test.istio.io/", *preflight, "-H", "Origin: http://foo.example",
             has=["200 OK", "access-control-allow-origin: http://foo.example", "access-control-allow-methods: POST,GET,OPTIONS",
                  "access-control-allow-headers: content-type", "access-control-max-age: 300", "access-control-allow-credentials: true"],
             lacks=['"at"'])
    mesh.one("others get no permission", asker, "http://cors.test.istio.io/", *preflight, "-H", "Origin: http://bar.example",
             lacks=["access-control-allow-origin"])
    mesh.one("headers are exposed", asker, "http://cors.test.istio.io/", "-H", "Origin: http://foo.example",
             has=["access-control-expose-headers: x-custom-header", '"at": "127.0.0.2:7072"'])
    mesh.one("a redirect", asker, "http://redirect.test.istio.io:8080/old", "-H", "testredirect: enabled",
             has=["301 Moved Permanently", "location: http://redirect2.test.istio.io", "/new/path"])
    mesh.one("no redirect, and no other rule", asker, "http://redirect.test.istio.io:8080/old", has=["404 Not Found"])
    regex = "http://regex.extsvc.com:9003/"
    mesh.one("a regular expression and a source", asker, regex, "-H", "foo: bar", has=['"at": "127.0.0.3:8081"'])
    mesh.one("another value", asker, regex, "-H", "foo: rab", has=['"at": "127.0.0.2:8080"'])
    mesh.one("another source", "testns/stranger", regex, "-H", "foo: bar", has=['"at": "127.0.0.2:8080"'])
    weighted = "http://c-weighted.extsvc.com/"
    mesh.share("three quarters", '"at": "127.0.0.2:7072"', 0.75, lambda count: mesh.ask(asker, weighted, times=count), 200)
    mesh.one("by content", asker, weighted, "-H", "Host: headers.test.istio.io", "-H", "version: v2", has=['"at": "127.0.0.3:7074"'])
    mesh.one("without it", asker, weighted, "-H", "Host: headers.test.istio.io", has=['"at": "127.0.0.2:7072"'])
    socket_host = "http://websocket.test.istio.io:9002/"
    mesh.one("an upgrade", asker, socket_host, "--max-time", "1", "--http1.1", "-H", "testwebsocket: enabled", *UPGRADE,
             has=["101 Switching Protocols"])
    mesh.one("no rule for others", asker, socket_host, *UPGRADE, "--http1.1", has=["404 Not Found"])
    mesh.one("an own network", asker, "http://byon.test.istio.io/", has=['"at": "127.0.0.2:7072"'])
    mesh.one("by another name", asker, "http://byon.test.istio.io/", "-H", "Host: mybyon.test.istio.io", has=['"at": "127.0.0.2:7072"'])
    mesh.share("two endpoints", '"at": "127.0.0.3:8002"', 0.5, lambda count: mesh.ask(asker, "http://ep.extsvc.com:8002/", times=count), 60)
    mesh.one("limits that nobody meets", asker, "http://destall.default.svc.cluster.local:81/", has=['"at": "127.0.0.2:7072"'], times=3)
    plain = f"http://{mesh.address('asker')}:9999/"
    mesh.one("plaintext is taken", "outsider", plain, has=["200 OK"])
    mesh.play(f"{DATA}/peer-authn-strict.yaml", f"{DATA}/rule-fault-injection.yaml")
    mesh.one("plaintext is refused", "outsider", plain, lacks=["200 OK"])
    started = time.time()
    mesh.one("delayed and broken", asker, "http://fault.test.istio.io:8080/", "-H", "version: v2", has=["503 Service Unavailable", "fault filter abort"])
    mesh.expect("five seconds", 4.9 < time.time() - started < 9, time.time() - started)
    elsewhere = ("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: elsewhere, namespace: exampleegressgw}\nspec:\n"
                 "  hosts: [httpbin.com]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]\n"
                 f"  endpoints: [{{address: {mesh.address('httpbin')}}}]\n")
    mesh.play(f"{DATA}/se-example-gw.yaml", extra=elsewhere)
    before = requests_through(mesh)
    mesh.one("out through the egress gateway", "exampleegressgw/insider", "http://httpbin.com/", has=["200 OK", '"service":"httpbin"'], times=3)
    mesh.expect("the gateway carries them", requests_through(mesh) >= before + 3, requests_through(mesh))


def requests_through(mesh):
    text = run([MARTLET, "exec", "--state-dir", str(mesh.state), "istio-system/istio-egressgateway", "--", "curl", "-s",
                "http://127.0.0.1:15000/stats"])
    # Counters are gathered now and then.
    return sum(int(number) for number in re.findall(r"^http\.outbound_0\.0\.0\.0_8080\.downstream_rq_total: (\d+)", text, flags=re.M)) or \
        sum(int(number) for number in re.findall(r"httpbin\.com\.upstream_rq_total: (\d+)", text, flags=re.M))


def bookinfo(mesh):
    folder = "bookinfo/networking"
    rules = f"{folder}/destination-rule-all.yaml"
    versions = lambda host: lambda count: mesh.ask("curl", f"http://{host}:9080/", times=count)
    mesh.play(f"{folder}/destination-rule-all.yaml", f"{folder}/virtual-service-details-v2.yaml", f"{folder}/virtual-service-reviews-v2-v3.yaml")
    mesh.one("details v2", "curl", "http://details:9080/", has=['"version":"v2"'], times=5)
    mesh.share("half of reviews v3", '"version":"v3"', 0.5, versions("reviews"), 100)
    mesh.play(rules, f"{folder}/virtual-service-ratings-db.yaml", f"{folder}/virtual-service-reviews-jason-v2-v3.yaml")
    mesh.one("reviews v3", "curl", "http://reviews:9080/", has=['"version":"v3"'], times=3)
    mesh.one("reviews v2 for jason", "curl", "http://reviews:9080/", "-H", "end-user: jason", has=['"version":"v2"'], times=3)
    mesh.one("ratings v2", "curl", "http://ratings:9080/", has=['"version":"v2"'], times=3)
    mesh.play(f"{folder}/destination-rule-all-mtls.yaml", f"{folder}/virtual-service-all-v1.yaml")
    for host in ["productpage", "reviews", "ratings", "details"]:
        mesh.one(f"{host} v1 over the mesh's TLS", "curl", f"http://{host}:9080/", has=['"version":"v1"', "spiffe://cluster.local"], times=3)
    mesh.play(f"{folder}/destination-rule-reviews.yaml", f"{folder}/virtual-service-reviews-v3.yaml", f"{folder}/fault-injection-details-v1.yaml")
    mesh.one("reviews v3", "curl", "http://reviews:9080/", has=['"version":"v3"'], times=3)


main()
