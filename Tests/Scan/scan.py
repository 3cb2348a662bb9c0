#!/usr/bin/env python3
"""Scans a gateway with TLS SIMPLE and MUTUAL from Secrets, as scanners on the Internet do.

Starts a local mesh with one gateway for three hosts (an RSA certificate, an ECDSA one, and one that wants clients'
certificates), lets sslyze and testssl look at it, and prints what they found. Exit status 1: a finding above informational.
`--quick` leaves testssl out, which takes minutes. MARTLET names the executable (default .build/release/martlet)."""
import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARTLET = os.environ.get("MARTLET", str(ROOT / ".build/release/martlet"))
HOSTS = ["rsa.scan.test", "ecdsa.scan.test", "mutual.scan.test"]

# What testssl grades above informational although no gateway can mend it, by its identifier.
BEYOND_THE_GATEWAY = {
    "DNS_CAArecord": "a record of the name in DNS",
    "OCSP_stapling": "the authority of this test serves no OCSP",
    "cert_ocspURL": "the authority of this test serves no OCSP",
    "security_headers": "headers are the application's",
    "cert_trust_wildcard": "names of the certificate",
    "overall_grade": "the sum of the others",
}

MANIFEST = """apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: web, command: [martlet, example-service], args: ["--name=web"], ports: [{containerPort: 8080}]}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: way-in}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 443, name: rsa, protocol: HTTPS}, hosts: [rsa.scan.test], tls: {mode: SIMPLE, credentialName: rsa}}
  - {port: {number: 443, name: ecdsa, protocol: HTTPS}, hosts: [ecdsa.scan.test], tls: {mode: SIMPLE, credentialName: ecdsa}}
  - {port: {number: 443, name: mutual, protocol: HTTPS}, hosts: [mutual.scan.test], tls: {mode: MUTUAL, credentialName: mutual}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: ["*.scan.test"]
  gateways: [way-in]
  http:
  - headers: {response: {set: {strict-transport-security: max-age=31536000; includeSubDomains}}}
    route: [{destination: {host: web, port: {number: 8080}}}]
"""


def run(words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **options).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Certificates:
    """An authority, a certificate for each host, and one for a client."""

    def __init__(self, folder):
        self.folder = folder
        self.make("ca", "ec", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", signer=None)
        for host in HOSTS:
            name = host.split(".")[0]
            usage = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n"
            locations = "crlDistributionPoints=URI:http://crl.scan.test/\nauthorityInfoAccess=OCSP;URI:http://ocsp.scan.test/\n"
            self.make(name, "rsa" if name == "rsa" else "ec", f"subjectAltName=DNS:{host}\n{usage}{locations}")
        self.make("client", "ec", "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")

    def path(self, name):
        return self.folder / name

    def make(self, name, kind, extensions, signer="ca"):
        key, certificate = self.path(f"{name}-key.pem"), self.path(f"{name}.pem")
        new = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        file = self.path(f"{name}.cnf")
        common = HOSTS[[h.split(".")[0] for h in HOSTS].index(name)] if f"{name}.scan.test" in HOSTS else f"scan {name}"
        file.write_text(f"[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN={common}\n[ext]\n{extensions}")
        request = ["openssl", "req", "-newkey", *new, "-nodes", "-keyout", key, "-config", file]
        if signer is None:
            run([*request, "-x509", "-days", "120", "-extensions", "ext", "-out", certificate])
            return
        run([*request, "-new", "-out", self.path(f"{name}.csr")])
        run(["openssl", "x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path(f"{signer}.pem"), "-CAkey",
             self.path(f"{signer}-key.pem"), "-set_serial", f"0x{os.urandom(16).hex()}", "-days", "90", "-extfile", file,
             "-extensions", "ext", "-out", certificate])

    def secrets(self):
        text = ""
        for name in ["rsa", "ecdsa", "mutual"]:
            data = {"tls.crt": f"{name}.pem", "tls.key": f"{name}-key.pem"}
            if name == "mutual":
                data["ca.crt"] = "ca.pem"
            encoded = {key: base64.b64encode(self.path(file).read_bytes()).decode() for key, file in data.items()}
            text += "---\n" + json.dumps({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "istio-system"}, "data": encoded,
            }) + "\n"
        return text


def sslyze(certificates, port):
    """Findings of sslyze, by host."""
    found = {}
    for host in HOSTS:
        out = certificates.path(f"{host}.json")
        words = ["sslyze", "--quiet", "--json_out", out, "--sni", host, "--certinfo_ca_file", certificates.path("ca.pem"),
                 "--mozilla_config", "intermediate", "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3",
                 "--certinfo", "--compression", "--early_data", "--ems", "--fallback", "--heartbleed", "--openssl_ccs", "--reneg",
                 "--robot", "--resum", "--elliptic_curves", "--http_headers"]
        if host.startswith("mutual"):
            words += ["--cert", certificates.path("client.pem"), "--key", certificates.path("client-key.pem")]
        subprocess.run([str(w) for w in [*words, f"127.0.0.1:{port}"]], capture_output=True, check=False)
        found[host] = judge(json.loads(out.read_text())["server_scan_results"][0])
    return found


def judge(scan):
    """(lines that say what was seen, findings) of one result of sslyze."""
    seen, findings = [], []
    if scan["scan_status"] != "COMPLETED":
        return [], [f"no scan: {scan.get('connectivity_error_trace')}"]
    results = scan["scan_result"]

    def result(name):
        part = results[name]
        if part["status"] != "COMPLETED":
            findings.append(f"{name}: {part['status']} {part.get('error_reason')} {str(part.get('error_trace'))[-300:]}")
            return None
        return part["result"]

    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3"]:
        suites = result(f"{version}_cipher_suites")
        if suites is None:
            continue
        names = [suite["cipher_suite"]["name"] for suite in suites["accepted_cipher_suites"]]
        seen.append(f"{version}: {', '.join(names) or 'refused'}")
        if version in ("tls_1_2", "tls_1_3"):
            if not names:
                findings.append(f"{version} is refused")
            findings += [f"{version}: {name}" for name in names if not any(s in name for s in ("GCM", "POLY1305"))
                         or (version == "tls_1_2" and "ECDHE" not in name)]
        elif names:
            findings.append(f"{version} is offered")
    expected = [
        ("tls_compression", "supports_compression", False), ("tls_1_3_early_data", "supports_early_data", False),
        ("tls_extended_master_secret", "supports_ems_extension", True), ("tls_fallback_scsv", "supports_fallback_scsv", True),
        ("heartbleed", "is_vulnerable_to_heartbleed", False), ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", False),
        ("session_renegotiation", "supports_secure_renegotiation", True),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", False),
    ]
    for name, field, wanted in expected:
        part = result(name)
        if part is None:
            continue
        seen.append(f"{field}: {part[field]}")
        if part[field] != wanted:
            findings.append(f"{field} is {part[field]}")
    robot = result("robot")
    if robot is not None:
        seen.append(f"robot: {robot['robot_result']}")
        if not robot["robot_result"].startswith("NOT_VULNERABLE"):
            findings.append(f"robot: {robot['robot_result']}")
    curves = result("elliptic_curves")
    if curves is not None:
        names = [curve["name"] for curve in curves["supported_curves"]]
        seen.append(f"curves: {', '.join(names)}")
        findings += [f"curve {name}" for name in names if name not in ("X25519", "secp256r1", "secp384r1")]
    certificate = result("certificate_info")
    if certificate is not None:
        for deployment in certificate["certificate_deployments"]:
            if not any(p["was_validation_successful"] for p in deployment["path_validation_results"]):
                findings.append("the certificate does not verify")
            if not deployment["received_chain_has_valid_order"]:
                findings.append("the chain's order")
    headers = result("http_headers")
    if headers is not None:
        hsts = headers["strict_transport_security_header"]
        seen.append(f"HSTS: {hsts and hsts['max_age']}")
        if not hsts:
            findings.append("no HSTS")
    return seen, findings


def testssl(certificates, port):
    """Findings of testssl above informational, by host. It cannot show a client's certificate: MUTUAL is seen as strangers see it."""
    found = {}

    def look(host):
        out = certificates.path(f"{host}.testssl.json")
        words = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "min", "--ip", "127.0.0.1", "--add-ca",
                 certificates.path("ca.pem"), "--jsonfile", out, f"{host}:{port}"]
        subprocess.run([str(w) for w in words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
        entries = json.loads(out.read_text())
        counts, findings, set_aside = {}, [], []
        for entry in entries:
            counts[entry["severity"]] = counts.get(entry["severity"], 0) + 1
            if entry["severity"] in ("OK", "INFO", "DEBUG"):
                continue
            line = f"{entry['severity']} {entry['id']}: {entry['finding']}"
            # What it could not look at (it says so) is no finding; sslyze looks at renegotiation.
            reason = "not looked at" if entry["severity"] == "WARN" else BEYOND_THE_GATEWAY.get(entry["id"].split(" ")[0])
            (set_aside if reason else findings).append(f"{line} ({reason})" if reason else line)
        found[host] = ([f"{key}: {count}" for key, count in sorted(counts.items())] + set_aside, findings)

    with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(look, HOSTS))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="sslyze only")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="martlet-scan-"))
    state = ["--state-dir", folder / "state"]
    port = free_port()
    failed = False
    try:
        certificates = Certificates(folder)
        (folder / "manifests").mkdir()
        (folder / "manifests/mesh.yaml").write_text(MANIFEST + certificates.secrets())
        run([MARTLET, "up", folder / "manifests", "--detach", "--no-ui", *state, "--port", f"443={port}"])
        await_answer(certificates, port)
        scanners = [("sslyze", sslyze)] + ([] if options.quick else [("testssl", testssl)])
        for name, scan in scanners:
            begin = time.monotonic()
            for host, (seen, findings) in scan(certificates, port).items():
                print(f"{name} {host}: {len(findings)} findings")
                for line in seen:
                    print(f"  {line}")
                for line in findings:
                    print(f"  FINDING {line}")
                failed = failed or bool(findings)
            print(f"{name}: {time.monotonic() - begin:.0f} s")
    finally:
        subprocess.run([str(word) for word in [MARTLET, "down", *state]], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


def await_answer(certificates, port):
    """Until the gateway answers every host: configuration arrives after the pods are ready."""
    end = time.monotonic() + 60
    for host in HOSTS:
        words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{host}:{port}:127.0.0.1", "--cacert",
                 certificates.path("ca.pem"), "--cert", certificates.path("client.pem"), "--key", certificates.path("client-key.pem"),
                 f"https://{host}:{port}/"]
        while subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False).stdout != "200":
            if time.monotonic() > end:
                sys.exit(f"{host} does not answer at the gateway")
            time.sleep(0.1)


if __name__ == "__main__":
    main()
