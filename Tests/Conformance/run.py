#!/usr/bin/env python3
"""Asks real sidecars what the cases of CONFORMANCE/authz and CONFORMANCE/requestauthn ask: each case's policies are put in
force in a mesh, its requests are sent with real certificates, addresses and tokens, and the answers and access logs are
compared with what the case says; each denial is counted under the policy that the log names.

CONFORMANCE is the argument (names of cases may follow: only these), MARTLET names the executable (default .build/release/martlet). Exit status 0: all as said."""
import collections
import json
import os
import pathlib
import re
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Attacks"))
from harness import Certificates, Mesh, Signer, run  # noqa: E402

PORTS = [80, 81, 90, 443, 8080, 9090]
# Trust domains of the cases' callers: the mesh takes certificates of these alone.
DOMAINS = ["x.local", "zzz", "td2", "td9"]

# Policies that Martlet refuses, as Istio's webhook does: nobody gets to run them, so the mesh is one without them.
REFUSED = {"authz/06-deny-no-rules-never-matches"}

NOTHING = "apiVersion: v1\nkind: Namespace\nmetadata: {name: nothing}\n"


class Case:
    def __init__(self, path, tokens):
        data = json.loads(path.with_suffix(".json").read_text())
        self.name, self.kind = f"{path.parent.name}/{path.stem}", path.parent.name
        self.workload = (data["workload"]["namespace"], tuple(sorted(data["workload"]["labels"].items())))
        self.policies = path.with_suffix(".yaml").read_text()
        self.entries = data["requests"]
        for entry in self.entries:
            request = entry["request"]
            request.setdefault("protocol", "http")
            request["path"] = fill(request["path"], tokens)
            request["headers"] = {name: fill(value, tokens) for name, value in request["headers"].items()}
            principal = request.get("principal")
            # Some principals are opaque strings, of which no certificate can be made: they get the mesh's form.
            if principal and "/ns/" not in principal:
                request["principal"] = f"cluster.local/ns/opaque/sa/{principal}"
                self.policies = re.sub(rf'(?<=["\s]){re.escape(principal)}(?=["\s,\]])', request["principal"], self.policies)

    def manifests(self, key_set):
        """The policies, and an authentication of requests for the issuers whose tokens come."""
        claims = [entry["request"].get("jwt") for entry in self.entries]
        issuers = dict.fromkeys(claim["iss"] for claim in claims if claim)
        if not issuers:
            return self.policies
        rules = "".join(f"  - issuer: {json.dumps(issuer)}\n    jwks: '{key_set}'\n" for issuer in issuers)
        return self.policies + ("\n---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
                                f"metadata: {{name: tokens, namespace: {self.workload[0]}}}\nspec:\n  jwtRules:\n" + rules)


def fill(text, tokens):
    for name, token in tokens.items():
        text = text.replace("${" + name + "}", token)
    return text


def mesh_manifest(workloads):
    text = """apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    trustDomainAliases: %s
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: outside, annotations: {sidecar.istio.io/inject: "false"}}
spec:
  containers: [{name: client, command: ["sleep", "infinity"]}]
""" % json.dumps(DOMAINS)
    for (namespace, labels), name in workloads.items():
        # Without a protocol in their names, ports are what their callers make of them.
        ports = [{"name": f"any-{port}", "port": port, "targetPort": port} for port in PORTS]
        pod = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": name, "namespace": namespace, "labels": {**dict(labels), "workload": name}},
               "spec": {"containers": [{"name": "application", "command": ["python3", str(HERE / "application.py"), *map(str, PORTS)]}]}}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                   "spec": {"selector": {"workload": name}, "ports": ports}}
        text += f"---\n{json.dumps(pod)}\n---\n{json.dumps(service)}\n"
    return text


class Lab:
    """The mesh, whoever calls, and what they call with."""

    def __init__(self, folder, cases):
        self.folder, self.mesh = folder, Mesh(folder)
        names = dict.fromkeys(case.workload for case in cases)
        self.workloads = {workload: f"workload-{number}" for number, workload in enumerate(names)}
        (self.mesh.manifests / "mesh.yaml").write_text(mesh_manifest(self.workloads))
        self.signer = Signer(folder)
        self.tokens, self.certificates = {}, {}
        # How often each policy denied, by workload.
        self.denials = {workload: collections.Counter() for workload in self.workloads}

    def start(self, cases):
        self.mesh.start()
        requests = [(case, entry["request"]) for case in cases for entry in case.entries]
        sources = sorted({request["sourceIp"] for _, request in requests if "sourceIp" in request})
        self.own = {name: self.mesh.address(name) for name in [*self.workloads.values(), "client"]}
        addresses = " && ".join(f"ip address add {source}/32 dev eth0" for source in sources)
        routes = {name: [f"ip route add {source}/32 dev eth0" for source in sources] for name in self.workloads.values()}
        for case, request in requests:
            address, name = self.address(case, request), self.workloads[case.workload]
            command = f"ip address add {address}/32 dev eth0"
            if address != self.own[name] and command not in routes[name]:
                routes[name].append(command)
                addresses += f" && ip route add {address}/32 dev eth0"
        self.mesh.martlet("exec", "outside/client", "--", "sh", "-c", addresses)
        foreign = {self.address(case, request) for case, request in requests} - set(self.own.values())
        if foreign:
            self.keep_inside(sorted(foreign))
        for (namespace, _), name in self.workloads.items():
            self.mesh.martlet("exec", f"{namespace}/{name}", "--", "sh", "-c", " && ".join(routes[name]))
        folder = self.folder / "certificates"
        folder.mkdir()
        maker = Certificates(folder, None)
        authority = self.mesh.state / "ca"
        for principal in dict.fromkeys(request.get("principal") for _, request in requests):
            if principal:
                name = f"caller-{len(self.certificates)}"
                maker.issue(name, f"URI:spiffe://{principal}", (authority / "intermediate.pem", authority / "intermediate-key.pem"),
                            extensions="keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n",
                            issuer_chain=[authority / "intermediate.pem"])
                self.certificates[principal] = name

    def keep_inside(self, addresses):
        """The mesh's host sends what is for strange addresses out of the mesh: not for these, which pods have."""
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if "mesh-init" in words[1:2] and str(self.mesh.state) in " ".join(words).replace("\\/", "/"):
                user = ["--user", "--preserve-credentials"] if os.geteuid() else []
                rule = f"insert rule ip martlet leaving ip daddr {{ {', '.join(addresses)} }} return"
                run(["nsenter", "--target", process.name, *user, "--net", "nft", rule], env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})

    def address(self, case, request):
        own = self.own[self.workloads[case.workload]]
        wanted = request.get("destIp", own)
        return wanted if "destination.ip" in case.policies else own

    def token(self, claims):
        text = json.dumps(claims, sort_keys=True)
        if text not in self.tokens:
            payload = {**claims, "exp": int(time.time()) + 3600}
            self.tokens[text] = self.signer.sign("issuer", {"alg": "RS256", "kid": "one"}, payload)
        return self.tokens[text]

    def question(self, case, request):
        """What ask.py is to send."""
        is_http = request["protocol"] == "http"
        # Packets between two addresses that are both none of the mesh's do not arrive: a source that does not matter is one's own.
        matters = re.search("[bB]locks|source.ip|remote.ip", case.policies)
        source = request.get("sourceIp", self.own["client"]) if matters else self.own["client"]
        result = {"source": source, "address": self.address(case, request),
                  "port": request.get("destPort", 80), "bytes": "who is there?"}
        if is_http:
            headers = {**request["headers"], "x-request-id": request.setdefault("id", str(uuid.uuid4()))}
            if request.get("jwt"):
                headers["Authorization"] = "Bearer " + self.token(request["jwt"])
            if request.get("remoteIp", result["source"]) != result["source"]:
                headers["X-Forwarded-For"] = request["remoteIp"]
            lines = [f"{request['method']} {request['path']} HTTP/1.1", f"Host: {request.get('host', 'httpbin.foo')}"]
            result["bytes"] = "\r\n".join(lines + [f"{name}: {value}" for name, value in headers.items()]) + "\r\n\r\n"
        if request.get("principal"):
            name = self.certificates[request["principal"]]
            result.update(certificate=str(self.folder / f"certificates/{name}.pem"), key=str(self.folder / f"certificates/{name}-key.pem"),
                          sni=request.get("sni", ""), alpn=["istio-http/1.1", "istio"] if is_http else ["istio"])
        return result

    def ask(self, case):
        listing = self.folder / "questions.json"
        listing.write_text(json.dumps([self.question(case, entry["request"]) for entry in case.entries]))
        output = self.mesh.martlet("exec", "outside/client", "--", "python3", str(HERE / "ask.py"), str(listing))
        return [json.loads(line) for line in output.splitlines()]

    def log_lines(self, case, answers):
        """The sidecar's access log line of each request, told by its id, and of each connection, told by its client's port."""
        namespace, name = case.workload[0], self.workloads[case.workload]
        path = self.mesh.state / "pods" / namespace / name / "access.log"
        marks = [entry["request"].get("id") or f" {self.question(case, entry['request'])['source']}:{answer['port']} "
                 for entry, answer in zip(case.entries, answers)]
        deadline = time.time() + 5
        while True:
            lines = path.read_text().splitlines() if path.exists() else []
            found = [next((line for line in reversed(lines) if mark in line), None) for mark in marks]
            if all(found) or time.time() > deadline:
                return found
            time.sleep(0.01)


def outcome(request, answer):
    """The status of a request, `allow` or `deny` of a connection."""
    text = answer["received"]
    if "connected" not in answer or "timed out" in answer.get("error", ""):
        return f"no connection ({answer.get('error')})"
    if request["protocol"] == "tcp":
        return "allow" if text.startswith("application: ") else "deny" if text == "" else f"unexpected {text[:60]!r}"
    status = re.match(r"HTTP/1.1 (\d+)", text)
    if not status:
        return f"no answer ({answer.get('error')})"
    if status[1] == "200" and "x-application" not in text:
        return "200, but not by the application"
    if status[1] == "403" and not text.endswith("RBAC: access denied"):
        return "403 with more than one may know"
    return int(status[1])


def expected(entry):
    if "expectStatus" in entry:
        return entry["expectStatus"]
    if entry["request"]["protocol"] == "tcp":
        return entry["expect"]
    return {"allow": 200, "deny": 403}[entry["expect"]]


def upstream(entry, answer):
    """Complaints about what the application was given."""
    if "200 OK" not in answer["received"]:
        return []
    headers = json.loads(answer["received"].partition("\r\n\r\n")[2])["headers"] if answer["received"].startswith("HTTP") else {}
    wrong = [f"{name} is {headers.get(name)!r}" for name, value in entry.get("upstreamHeaderEquals", {}).items() if headers.get(name) != value]
    return wrong + [f"{name} is missing" for name in entry.get("upstreamHeaderPresent", []) if name not in headers]


def named_policy(line):
    found = re.search(r"rbac_access_denied_matched_policy\[(none|ns\[[^]]*\]-policy\[[^]]*\]-rule\[\d+\])\]", line or "")
    return found[1] if found else None


def judge(lab, case):
    answers = lab.ask(case)
    complaints = []
    for entry, answer, line in zip(case.entries, answers, lab.log_lines(case, answers)):
        request = entry["request"]
        wanted, got = expected(entry), outcome(request, answer)
        wrong = [f"{got} in the place of {wanted}"] if wanted != got else upstream(entry, answer)
        if wanted in (403, "deny"):
            policy = named_policy(line)
            actions = re.findall(r"ns\[([^]]*)\]-policy\[([^]]*)\]", policy or "")
            lab.denials[case.workload][policy] += 1
            if policy is None:
                wrong.append(f"the access log names no policy: {line}")
            elif actions and not re.search(rf"name: {re.escape(actions[0][1])}\n", case.policies):
                wrong.append(f"the access log names {policy}, which is not of this case")
        complaints += [f"{case.name}, {entry['why']}: {text}" for text in wrong]
    return complaints


def judge_metrics(lab):
    """The sidecars count denials under the names that their logs have."""
    complaints = []
    for (namespace, labels), name in lab.workloads.items():
        text = lab.mesh.martlet("exec", f"{namespace}/{name}", "--", "curl", "-s", "http://127.0.0.1:15090/stats/prometheus")
        counted = {policy: int(count) for policy, count in re.findall(r'^envoy_rbac_policy_denied\{policy="([^"]*)"\} (\d+)', text, re.M)}
        for policy, count in lab.denials[(namespace, labels)].items():
            if counted.get(policy) != count:
                complaints.append(f"{namespace}/{name}: {policy} denied {count} times, the metric says {counted.get(policy)}")
    return complaints


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="conformance-"))
    conformance = pathlib.Path(sys.argv[1])
    only = sys.argv[2:]
    tokens = json.loads((conformance / "requestauthn/tokens.json").read_text())
    paths = sorted(conformance.glob("authz/*.yaml")) + sorted(conformance.glob("requestauthn/*.yaml"))
    cases = [Case(path, tokens) for path in paths if not only or path.stem in only]
    lab = Lab(folder, cases)
    complaints = []
    try:
        lab.start(cases)
        for case in cases:
            errors = lab.mesh.configure(case.name, case.manifests(lab.signer.key_set))
            if errors:
                lab.mesh.configure(case.name, NOTHING)
            if bool(errors) != (case.name in REFUSED):
                complaints.append(f"{case.name}: refused: {errors}" if errors else f"{case.name} is not refused")
            complaints += judge(lab, case)
        complaints += judge_metrics(lab)
    finally:
        if not only:
            lab.mesh.stop()
        else:
            print(folder)
    count = sum(len(case.entries) for case in cases)
    kinds = {kind: sum(entry["request"]["protocol"] == kind for case in cases for entry in case.entries) for kind in ("http", "tcp")}
    print("\n".join(complaints + [f"{len(cases)} cases, {count} requests ({kinds['http']} HTTP, {kinds['tcp']} TCP), {len(complaints)} wrong"]))
    sys.exit(1 if complaints or not cases else 0)


main()
