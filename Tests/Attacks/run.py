#!/usr/bin/env python3
"""Runs a mesh with the policies of examples/mission and carries out every attack of attacks.py against it.

Exit status 0: no attack was answered by the application, and every control was. `--write FILE` writes the list with its
results. MARTLET names the executable (default .build/release/martlet)."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import attacks

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
MARTLET = os.environ.get("MARTLET", str(ROOT / ".build/release/martlet"))
MISSION = ROOT / "examples/mission"

NORMALISATION = """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-admin, namespace: production}
spec:
  selector: {matchLabels: {app: api-service}}
  action: DENY
  rules:
  - to: [{operation: {paths: ["/admin", "/admin/*"]}}]
  - to: [{operation: {hosts: ["internal.example.com", "internal.example.com:*"]}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    pathNormalization:
      normalization: MODE
"""
SECURITY = MISSION / "security"
STAGES = {
    "permissive": [SECURITY / "deny-all.yaml", SECURITY / "allow-frontend.yaml"],
    "strict": [SECURITY / "deny-all.yaml", SECURITY / "allow-frontend.yaml", MISSION / "production/mutual-tls.yaml"],
    "token": [SECURITY / "deny-all.yaml", SECURITY / "jwt.yaml"],
    "NONE": NORMALISATION, "BASE": NORMALISATION, "MERGE_SLASHES": NORMALISATION, "DECODE_AND_MERGE_SLASHES": NORMALISATION,
}


def run(words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


class Certificates:
    """Keys and certificates of an attacker, made with openssl."""

    def __init__(self, folder, authority):
        self.folder, self.authority = folder, authority

    def key(self, name):
        path = self.folder / f"{name}-key.pem"
        if not path.exists():
            run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(path)])
        return path

    def issue(self, name, names, issuer=None, days=1, extensions="", start=None, issuer_chain=None):
        """`issuer`: (certificate, key); nil signs itself."""
        key = self.key(name)
        config = self.folder / f"{name}.cnf"
        san = f"subjectAltName=critical,{names}\n" if names else ""
        config.write_text(f"[req]\ndistinguished_name=dn\n[dn]\n[ext]\n{san}{extensions}\n"
                          "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
                          "unique_subject=no\n[p]\ncommonName=optional\n")
        request = self.folder / f"{name}.csr"
        run(["openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-config", str(config), "-out", str(request)])
        path = self.folder / f"{name}.pem"
        work = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        (work / "index").write_text("")
        (work / "serial").write_text(os.urandom(8).hex().upper())
        begin, end = start or (time.time() - 3600, time.time() + days * 86400)
        stamp = lambda moment: time.strftime("%y%m%d%H%M%SZ", time.gmtime(moment))
        words = ["openssl", "ca", "-batch", "-notext", "-config", str(config), "-extensions", "ext", "-in", str(request), "-out", str(path),
                 "-startdate", stamp(begin), "-enddate", stamp(end), "-preserveDN"]
        if issuer is None:
            words += ["-selfsign", "-keyfile", str(key)]
        else:
            words += ["-cert", str(issuer[0]), "-keyfile", str(issuer[1])]
        run(words, cwd=work)
        text = path.read_text()
        for part in issuer_chain or []:
            text += pathlib.Path(part).read_text()
        path.write_text(text)
        return path

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


class Signer:
    """Makes tokens with openssl; `issuer` is the key that the issuer publishes."""

    def __init__(self, folder):
        self.folder = folder
        for name in ["issuer", "stranger"]:
            run(["openssl", "genrsa", "-out", str(folder / f"{name}-rsa.pem"), "2048"])
        modulus = run(["openssl", "rsa", "-in", str(folder / "issuer-rsa.pem"), "-noout", "-modulus"]).strip().split("=")[1]
        keys = {"keys": [{"kty": "RSA", "kid": "one", "n": attacks.encoded(bytes.fromhex(modulus)), "e": "AQAB"}]}
        (folder / "jwks.json").write_text(json.dumps(keys))

    def sign(self, key, header, payload):
        message = attacks.encoded(header) + "." + attacks.encoded(payload)
        if key == "confused":
            public = run(["openssl", "rsa", "-in", str(self.folder / "issuer-rsa.pem"), "-pubout"]).strip()
            words = ["openssl", "dgst", "-sha256", "-hmac", public, "-binary"]
        else:
            words = ["openssl", "dgst", "-sha256", "-sign", str(self.folder / f"{key}-rsa.pem"), "-binary"]
        signature = subprocess.run(words, input=message.encode(), check=True, capture_output=True).stdout
        return message + "." + attacks.encoded(signature)


class Mesh:
    def __init__(self, folder):
        self.folder, self.state, self.manifests = folder, folder / "state", folder / "manifests"
        self.manifests.mkdir()
        self.chosen = []

    def martlet(self, command, *words, **options):
        return run([MARTLET, command, "--state-dir", str(self.state), *words], **options)

    def start(self):
        environment = {**os.environ, "SSL_CERT_FILE": str(self.folder / "issuer.pem")}
        subprocess.run([MARTLET, "up", str(self.manifests), "--detach", "--no-ui", "--state-dir", str(self.state)], check=True, env=environment)

    def status(self):
        return json.loads((self.state / "status.json").read_text())

    def configure(self, stage):
        before = self.status()["generation"]
        for path in self.chosen:
            path.unlink()
        files = STAGES[stage]
        texts = {"normalisation.yaml": files.replace("MODE", stage)} if isinstance(files, str) else {path.name: path.read_text() for path in files}
        self.chosen = []
        for name, text in texts.items():
            (self.manifests / f"{name}.new").write_text(text)
            (self.manifests / f"{name}.new").rename(self.manifests / name)
            self.chosen.append(self.manifests / name)
        deadline = time.time() + 30
        settled = None
        while time.time() < deadline:
            status = self.status()
            ready = status["generation"] > before and all(proxy["ackedGeneration"] == status["generation"] for proxy in status["proxies"])
            if ready and settled == status["generation"]:
                break
            settled = status["generation"] if ready else None
            time.sleep(0.4)
        else:
            sys.exit(f"stage {stage} is not in force: {json.dumps(status, indent=1)[:4000]}")
        for proxy in status["proxies"]:
            if proxy["nacks"]:
                sys.exit(f"stage {stage}: {proxy['id']} rejects {proxy['nacks']}")

    def address(self, name):
        pods = json.loads((self.state / "workloads.json").read_text())["workloads"]
        return next(pod["ip"] for pod in pods if pod["name"].startswith(name))


def place(entry, mesh, certificates):
    """What strike.py needs to know."""
    direct = entry["from"] == "outsider" or entry.get("via") == "pod"
    strike = {"id": entry["id"], "bytes": entry["bytes"],
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", help="file for the list with its results")
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
    entries = attacks.all_attacks(signer.sign)
    if arguments.stage:
        entries = [entry for entry in entries if entry["stage"] == arguments.stage]
    results = {}
    try:
        mesh.start()
        certificates = folder / "certificates"
        certificates.mkdir()
        Certificates(certificates, mesh.state / "ca").make_all()
        for stage in dict.fromkeys(entry["stage"] for entry in entries):
            mesh.configure(stage)
            for origin in dict.fromkeys(entry["from"] for entry in entries if entry["stage"] == stage):
                chosen = [entry for entry in entries if entry["stage"] == stage and entry["from"] == origin]
                listing = folder / "strikes.json"
                listing.write_text(json.dumps([place(entry, mesh, certificates) for entry in chosen]))
                pod = {"outsider": "other/outsider", "impostor": "other/impostor"}.get(origin, f"production/{origin}")
                output = mesh.martlet("exec", pod, "--", "python3", str(HERE / "strike.py"), str(listing))
                for line in output.splitlines():
                    result = json.loads(line)
                    results[result["id"]] = result
    finally:
        if not arguments.keep:
            subprocess.run([MARTLET, "down", "--state-dir", str(mesh.state)], capture_output=True)
    failures = report(entries, results, arguments.write)
    if not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"kept {folder}")
    sys.exit(1 if failures else 0)


def report(entries, results, path):
    failures = []
    lines = ["| stage | from | attack | what came back |", "| --- | --- | --- | --- |"]
    for entry in entries:
        result = results.get(entry["id"])
        if result is None:
            failures.append(f"no result: {entry['id']}")
            continue
        through = succeeded(entry, result)
        if through != entry["control"]:
            failures.append(f"{'BYPASS' if through else 'control refused'}: {entry['id']}: {result['detail']!r}")
        word = "answered (control)" if through and entry["control"] else "BYPASS" if through else f"{result['status']}" if result["status"] else "no answer"
        name = entry["name"].replace("|", "\\|")[:100]
        lines.append(f"| {entry['stage']} | {entry['from']} | `{name}` | {word} |")
    attacks_made = sum(not entry["control"] for entry in entries)
    summary = f"{attacks_made} attacks, {sum('BYPASS' in text for text in failures)} bypasses; {len(entries) - attacks_made} controls"
    print("\n".join(failures + [summary]))
    if path:
        pathlib.Path(path).write_text(f"# Attacks and their results\n\nWritten by `Tests/Attacks/run.py --write`. {summary}.\n\n" + "\n".join(lines) + "\n")
    return failures


main()
