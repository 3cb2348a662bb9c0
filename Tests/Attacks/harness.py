"""A local mesh for drivers that talk to its sidecars themselves, and keys and certificates to do so with."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARTLET = os.environ.get("MARTLET", str(ROOT / ".build/release/martlet"))


def run(words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


def encoded(value):
    """Base64url of bytes, or of a value as JSON."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


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


class Signer:
    """Makes tokens with openssl; `issuer` is the key that the issuer publishes."""

    def __init__(self, folder):
        self.folder = folder
        for name in ["issuer", "stranger"]:
            run(["openssl", "genrsa", "-out", str(folder / f"{name}-rsa.pem"), "2048"])
        self.key_set = self.published("issuer")

    def published(self, name):
        """The key set of an issuer that signs with this key."""
        modulus = run(["openssl", "rsa", "-in", str(self.folder / f"{name}-rsa.pem"), "-noout", "-modulus"]).strip().split("=")[1]
        return json.dumps({"keys": [{"kty": "RSA", "kid": "one", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}]})

    def sign(self, key, header, payload):
        message = encoded(header) + "." + encoded(payload)
        if key == "confused":
            public = run(["openssl", "rsa", "-in", str(self.folder / "issuer-rsa.pem"), "-pubout"]).strip()
            words = ["openssl", "dgst", "-sha256", "-hmac", public, "-binary"]
        else:
            words = ["openssl", "dgst", "-sha256", "-sign", str(self.folder / f"{key}-rsa.pem"), "-binary"]
        signature = subprocess.run(words, input=message.encode(), check=True, capture_output=True).stdout
        return message + "." + encoded(signature)


class Mesh:
    """A mesh of `folder/manifests`, of which one file changes."""

    def __init__(self, folder):
        self.folder, self.state, self.manifests = folder, folder / "state", folder / "manifests"
        self.manifests.mkdir()

    def martlet(self, command, *words, **options):
        return run([MARTLET, command, "--state-dir", str(self.state), *words], **options)

    def start(self, **environment):
        words = [MARTLET, "up", str(self.manifests), "--detach", "--no-ui", "--state-dir", str(self.state)]
        subprocess.run(words, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)

    def stop(self):
        subprocess.run([MARTLET, "down", "--state-dir", str(self.state)], capture_output=True)

    def status(self):
        return json.loads((self.state / "status.json").read_text())

    def configure(self, name, text, wait=lambda: True):
        """Puts the changing file's text in force, and returns the errors that were found in it; `name` is for complaints.
        `wait` is a further condition."""
        before = self.status()["generation"]
        (self.manifests / "changing.new").write_text(text)
        (self.manifests / "changing.new").rename(self.manifests / "changing.yaml")
        deadline = time.time() + 30
        while True:
            status = self.status()
            ready = status["generation"] > before and all(proxy["ackedGeneration"] == status["generation"] for proxy in status["proxies"])
            for proxy in status["proxies"]:
                if proxy["nacks"]:
                    sys.exit(f"{name}: {proxy['id']} rejects {proxy['nacks']}")
            if ready and wait():
                break
            if time.time() > deadline:
                sys.exit(f"{name} is not in force: {json.dumps(status, indent=1)[:4000]}")
            time.sleep(0.02)
        return [entry["message"] for entry in status["errors"] if entry["severity"] == "error"]

    def address(self, name):
        pods = json.loads((self.state / "workloads.json").read_text())["workloads"]
        return next(pod["ip"] for pod in pods if pod["name"].startswith(name))
