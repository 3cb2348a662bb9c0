#!/usr/bin/env python3
"""Runs a mesh with the policies of examples/mission and carries out every attack of attacks.py against it.

Exit status 0: no attack was answered by the application, and every control was. `--write FILE` writes the list with its
results; `--compare FILE` wants them to be as they were. MARTLET names the executable (default .build/release/martlet)."""
import argparse
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import attacks
from harness import MARTLET, ROOT, Certificates, Mesh, Signer, run

# Certificates of the attacker's that are no workload's of the mesh.
FOREIGN = ["self-signed", "foreign", "expired", "by-leaf"]
HERE = pathlib.Path(__file__).resolve().parent
MISSION = ROOT / "examples/mission"

MODE = """apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    pathNormalization:
      normalization: MODE
"""
DENY = """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-admin, namespace: production}
spec:
  selector: {matchLabels: {app: api-service}}
  action: DENY
  rules:
  - to: [{operation: {paths: ["/admin", "/admin/*"]}}]
  - to: [{operation: {hosts: ["internal.example.com", "internal.example.com:*"]}}]
"""
SECURITY, PRODUCTION = MISSION / "security", MISSION / "production"
ALLOW = [SECURITY / "deny-all.yaml", SECURITY / "allow-frontend.yaml"]
OPTIONS = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]
# Each stage's manifests: files of the mission as they are, and text of our own.
STAGES = {
    "permissive": ALLOW,
    "strict": ALLOW + [PRODUCTION / "mutual-tls.yaml"],
    "port": ALLOW + [PRODUCTION / "mutual-tls-port.yaml"],
    "token": [SECURITY / "deny-all.yaml", SECURITY / "jwt.yaml"],
    **{option: [MODE.replace("MODE", option), DENY, PRODUCTION / "mutual-tls.yaml"] for option in OPTIONS},
    **{f"allow {option}": ALLOW + [PRODUCTION / "mutual-tls.yaml", MODE.replace("MODE", option)] for option in OPTIONS},
}
# What the issuer does in a stage: the key that it publishes, none for nonsense, and what the control plane says to that.
ISSUER = {"issuer fails": (None, "the last good one stays in force"), "issuer rotates": ("stranger", "changed, 1 keys")}
# Something new in the configuration, so that it is known when all of it is in force.
EVENT = "\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: NAME}\n"


class AttackersCertificates(Certificates):
    """Whom an attacker could claim to be, and who might sign it."""

    def make_all(self):
        uri = lambda text: f"URI:spiffe://{text}"
        frontend = uri("cluster.local/ns/production/sa/frontend")
        ours = (self.authority / "intermediate.pem", self.authority / "intermediate-key.pem")
        chain = [ours[0]]
        usage = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
        root = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        now = time.time()
        self.issue("self-signed", frontend, extensions=usage)
        self.issue("foreign-root", "", extensions=root)
        foreign = (self.folder / "foreign-root.pem", self.key("foreign-root"))
        self.issue("foreign", frontend, foreign, extensions=usage, issuer_chain=[foreign[0]])
        self.issue("expired", frontend, ours, extensions=usage, issuer_chain=chain, start=(now - 7200, now - 3600))
        self.issue("not-yet", frontend, ours, extensions=usage, issuer_chain=chain, start=(now + 7200, now + 10800))
        self.issue("frontend", frontend, ours, extensions=usage, issuer_chain=chain)
        self.issue("attacker", uri("cluster.local/ns/production/sa/attacker"), ours, extensions=usage, issuer_chain=chain)
        self.issue("other-namespace", uri("cluster.local/ns/other/sa/frontend"), ours, extensions=usage, issuer_chain=chain)
        self.issue("other-domain", uri("evil.local/ns/production/sa/frontend"), ours, extensions=usage, issuer_chain=chain)
        self.issue("nested", uri("cluster.local/ns/production/sa/frontend/sa/attacker"), ours, extensions=usage, issuer_chain=chain)
        self.issue("account-suffix", uri("cluster.local/ns/production/sa/frontend2"), ours, extensions=usage, issuer_chain=chain)
        self.issue("dns-name", "DNS:frontend.production.svc.cluster.local", ours, extensions=usage, issuer_chain=chain)
        self.issue("no-name", "", ours, extensions=usage, issuer_chain=chain)
        leaf = (self.folder / "attacker.pem", self.key("attacker"))
        self.issue("by-leaf", frontend, leaf, extensions=usage, issuer_chain=[leaf[0]])


def place(entry, mesh, certificates):
    """What strike.py needs to know."""
    direct = entry["from"] == "outsider"
    strike = {"id": entry["id"], "bytes": entry["bytes"], **({"http2": entry["http2"]} if "http2" in entry else {}),
              "address": mesh.address("api-service") if direct else "api-service.production.svc.cluster.local",
              "port": entry.get("port", 8080 if direct else 80)}
    if "tls" in entry:
        strike["tls"] = dict(entry["tls"])
        name = entry["tls"]["certificate"]
        if name:
            strike["tls"]["certificate"] = str(certificates / f"{name}.pem")
            strike["tls"]["key"] = str(certificates / f"{name}-key.pem")
    return strike


def succeeded(entry, result):
    if entry.get("administration"):
        return result["status"] == 200
    return result["answered"]


def carry_out(mesh, stage, entries, folder, certificates):
    """The results of a stage's attacks, by their ids."""
    results = {}
    for origin in dict.fromkeys(entry["from"] for entry in entries if entry["stage"] == stage):
        chosen = [entry for entry in entries if entry["stage"] == stage and entry["from"] == origin]
        listing = folder / "strikes.json"
        listing.write_text(json.dumps([place(entry, mesh, certificates) for entry in chosen]))
        pod = {"outsider": "other/outsider", "impostor": "other/impostor"}.get(origin, f"production/{origin}")
        output = mesh.martlet("exec", pod, "--", "python3", str(HERE / "strike.py"), str(listing))
        for line in output.splitlines():
            result = json.loads(line)
            results[result["id"]] = result
    return results


def closed(mesh, certificates):
    """What of the control plane others could open or read."""
    secrets = ["xds.sock", "token.key", "ca/intermediate-key.pem"]
    failures = [f"{name} is open to others" for name in secrets if (mesh.state / name).stat().st_mode & 0o077]
    state = mesh.folder / "door"
    state.mkdir(mode=0o700)
    for name in ["token.key", "workloads.json"]:
        shutil.copy(mesh.state / name, state / name)
    # The mesh's own authority: only whom it did not sign is turned away.
    shutil.copytree(mesh.state / "ca", state / "ca")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [MARTLET, "control-plane", "--state-dir", str(state), "--listen", f"127.0.0.1:{port}"]
    with open(state / "log", "w") as log, subprocess.Popen(words, stdout=log, stderr=log) as door:
        try:
            failures += knock(port, state, certificates)
        finally:
            door.terminate()
    return failures


def knock(port, state, certificates):
    """Who gets an answer at the control plane's TCP door without a right to one."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)

    def answer(context=None):
        """What the door says after the preface; a refusal is no answer. Martlet's settings are a frame of type 4."""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            try:
                if context:
                    connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
                connection.sendall(preface)
                return connection.recv(9)
            except (ssl.SSLError, ConnectionError) as error:
                return str(error)

    def context(name=None):
        made = ssl.create_default_context(cafile=str(state / "xds-ca.pem"))
        made.set_alpn_protocols(["h2"])
        if name:
            made.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}-key.pem")
        return made

    deadline = time.monotonic() + 20
    while True:
        try:
            trusting = answer(context())
            break
        except OSError:
            if time.monotonic() > deadline:
                return ["the control plane's TCP door does not open"]
            time.sleep(0.05)
    failures = []
    # The control: who speaks TLS gets HTTP/2, and is asked for a token or a certificate by each call.
    if not isinstance(trusting, bytes) or trusting[3:4] != b"\x04":
        failures.append(f"the control plane's TCP door does not speak HTTP/2 over TLS: {trusting!r}")
    for name, given in [("plaintext", answer())] + [(name, answer(context(name))) for name in FOREIGN]:
        if isinstance(given, bytes) and given[3:4] == b"\x04":
            failures.append(f"the control plane's TCP door answers {name}")
    return failures


def explained(mesh):
    """Whether `martlet explain` says of the running mesh what its sidecars do under the policies of stage strict."""
    url = "http://api-service.production/api/users"
    failures = []
    for words, code, text in [
        (["--from", "production/frontend"], 0, "allowed by AuthorizationPolicy production/allow-frontend rule 0"),
        (["--from", "production/frontend", "-X", "DELETE"], 1, "production/allow-frontend"),
        (["--from", "production/attacker"], 1, "no rule of the ALLOW policies matches"),
        (["--from", "other/impostor"], 1, "no rule of the ALLOW policies matches"),
        (["--from", "other/outsider"], 1, "does not take it: STRICT by PeerAuthentication production/default"),
    ]:
        answer = subprocess.run([MARTLET, "explain", "--state-dir", str(mesh.state), url, *words], capture_output=True, text=True, timeout=20)
        if answer.returncode != code or text not in answer.stdout:
            failures.append(f"explain {words}: exit {answer.returncode}, {answer.stdout}{answer.stderr}")
    return failures


def told(mesh):
    """Whether the log of the sidecar that was attacked under STRICT says whom it refused, and why."""
    url = f"http://{mesh.address('api-service')}:8080/"
    wanted = ["plaintext, where only TLS is taken", "certificate verify failed: "]
    deadline = time.time() + 25
    while True:
        log = mesh.martlet("logs", "production/api-service", "--container", "proxy")
        missing = [text for text in wanted if text not in log]
        if not missing or time.time() > deadline:
            return [f"the log of api-service's sidecar never says {text!r}" for text in missing]
        # Of each kind there are so many lines in ten seconds, which attacks before this stage may have used up.
        subprocess.run([MARTLET, "exec", "--state-dir", str(mesh.state), "other/outsider", "--", "curl", "-s", "-m", "1", url],
                       capture_output=True)
        time.sleep(0.2)


def publish(folder, key_set, log, message):
    """The issuer answers `key_set` from now on; returns when the control plane has said so."""
    seen = len(log.read_text())
    (folder / "jwks.json").write_text(key_set)
    deadline = time.time() + 30
    while message not in log.read_text()[seen:]:
        if time.time() > deadline:
            sys.exit(f"the control plane never said {message!r}: {log.read_text()[seen:]}")
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", help="file for the list with its results")
    parser.add_argument("--compare", help="file with the list and the results that are known: other results are failures")
    parser.add_argument("--stage", help="only this stage")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="attacks-"))
    mesh = Mesh(folder)
    manifest = (HERE / "mesh.yaml").read_text().replace("ISSUER_PROGRAM", str(HERE / "issuer.py")).replace("ISSUER_FOLDER", str(folder))
    (mesh.manifests / "mesh.yaml").write_text(manifest)
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=auth.example.com",
         "-addext", "subjectAltName=DNS:auth.example.com", "-keyout", str(folder / "issuer-key.pem"), "-out", str(folder / "issuer.pem")])
    signer = Signer(folder)
    (folder / "jwks.json").write_text(signer.key_set)
    entries = attacks.all_attacks(signer.sign)
    if arguments.stage:
        entries = [entry for entry in entries if entry["stage"] == arguments.stage]
    results, others = {}, []
    try:
        mesh.start(SSL_CERT_FILE=str(folder / "issuer.pem"))
        certificates = folder / "certificates"
        certificates.mkdir()
        AttackersCertificates(certificates, mesh.state / "ca").make_all()
        others = closed(mesh, certificates)
        for stage in dict.fromkeys(entry["stage"] for entry in entries):
            if stage in ISSUER:
                key_set, message = ISSUER[stage]
                publish(folder, signer.published(key_set) if key_set else "none", mesh.state / "control-plane.log", message)
                mesh.configure(f"stage {stage}", f"# {stage}\n" + text + EVENT.replace("NAME", stage.replace(" ", "-")))
                results.update(carry_out(mesh, stage, entries, folder, certificates))
                continue
            text = "\n---\n".join(part if isinstance(part, str) else part.read_text() for part in STAGES[stage])
            # A policy that names a key set waits for the set.
            fetched = lambda: stage != "token" or "1 keys" in (mesh.state / "control-plane.log").read_text()
            if errors := mesh.configure(f"stage {stage}", text, fetched):
                sys.exit(f"stage {stage}: {errors}")
            if stage == "strict":
                others += explained(mesh)
            results.update(carry_out(mesh, stage, entries, folder, certificates))
            if stage == "strict":
                others += told(mesh)
    finally:
        if not arguments.keep:
            mesh.stop()
    if others:
        print("\n".join(others))
    failures = others + report(entries, results, arguments)
    if not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"kept {folder}")
    sys.exit(1 if failures else 0)


def came_back(entry, result, through):
    if through:
        return "answered (control)" if entry["control"] else "BYPASS"
    # Whether a connection that is refused ends with an alert, a reset or nothing is a matter of timing.
    return str(result["status"]) if result["status"] else "no answer"


def report(entries, results, arguments):
    """Prints what is wrong, and keeps or compares the list with its results; returns what is wrong."""
    failures = []
    lines = ["| stage | from | attack | what came back |", "| --- | --- | --- | --- |"]
    for entry in entries:
        result = results.get(entry["id"])
        if result is None:
            failures.append(f"no result: {entry['id']}")
            continue
        through = succeeded(entry, result)
        asked = entry.get("asked")
        if through and asked is not None and result["path"] != asked:
            failures.append(f"the application was asked {result['path']!r} in the place of {asked!r}: {entry['id']}")
        if through != entry["control"]:
            failures.append(f"{'BYPASS' if through else 'control refused'}: {entry['id']}: {result['detail']!r}")
        name = entry["name"].encode("unicode_escape").decode().replace("|", "\\|").replace("`", "'")[:100]
        lines.append(f"| {entry['stage']} | {entry['from']} | `{name}` | {came_back(entry, result, through)} |")
    attacks_made = sum(not entry["control"] for entry in entries)
    bypasses = sum(text.startswith("BYPASS") for text in failures)
    summary = f"{attacks_made} attacks, {bypasses} bypasses; {len(entries) - attacks_made} controls"
    text = (f"# Attacks and their results\n\nWritten by `make attacks`: {summary}.\n\nA number is the status with which a proxy refused; "
            "under `no answer` the connection was refused or closed. Controls are requests that must get through.\n\n" + "\n".join(lines) + "\n")
    if arguments.write:
        pathlib.Path(arguments.write).write_text(text)
    if arguments.compare:
        known = pathlib.Path(arguments.compare).read_text().splitlines()
        now = text.splitlines()
        failures += [f"not in {arguments.compare}: {line}" for line in now if line not in known]
        failures += [f"no longer so: {line}" for line in known if line not in now]
    print("\n".join(failures + [summary]))
    return failures


main()
