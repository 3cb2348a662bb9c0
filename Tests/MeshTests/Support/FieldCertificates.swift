import Foundation

/// An authority, and certificates of a server and of a client, made anew for each run.
struct FieldCertificates {
    /// `ca.crt`; `.crt` and `.key` of `server`, `client`, `revoked`, which the list `ca.crl` names, and, with an RSA key, `rsa`;
    /// `server.crl` names the server too; `.spki` and `.hash` of each: the SHA-256 of its key in base64 and of itself in hex.
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "certificates-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let script = """
            set -e; cd '\(folder.path)'
            openssl ecparam -name prime256v1 -genkey -noout -out ca.key
            openssl req -x509 -new -key ca.key -subj /CN=field-authority -days 30 -out ca.crt
            openssl genrsa -out rsa.key 2048 2>/dev/null
            for name in server client revoked rsa; do
                [ $name = rsa ] || openssl ecparam -name prime256v1 -genkey -noout -out $name.key
                openssl req -new -key $name.key -subj /CN=field-$name -out $name.csr
                printf 'subjectAltName=DNS:%s.test,DNS:*.gateway.test' $name > $name.ext
                openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile $name.ext -out $name.crt
                openssl pkey -in $name.key -pubout -outform DER | openssl dgst -sha256 -binary | base64 -w0 > $name.spki
                openssl x509 -in $name.crt -outform DER | sha256sum | cut -c1-64 | tr -d '\\n' > $name.hash
            done
            printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=30\n' > ca.cnf
            touch index
            openssl ca -config ca.cnf -revoke revoked.crt -keyfile ca.key -cert ca.crt
            openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt -out ca.crl
            openssl ca -config ca.cnf -revoke server.crt -keyfile ca.key -cert ca.crt
            openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt -out server.crl
            """
        let result = try run(["sh", "-c", script])
        guard result.succeeded else { throw CommandFailure(description: "\(result)") }
    }

    func read(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    /// Secrets with them: for servers in pods, for clients, and for gateways.
    func manifests() throws -> String {
        try secret(
            "certificates", "default", ["ca.crt": "ca.crt", "server.crt": "server.crt", "server.key": "server.key"])
            + secret(
                "client-credential", "default", ["ca.crt": "ca.crt", "tls.crt": "client.crt", "tls.key": "client.key"])
            + secret(
                "listed", "istio-system",
                ["ca.crl": "ca.crl", "ca.crt": "ca.crt", "tls.crt": "server.crt", "tls.key": "server.key"])
            + secret("entry", "istio-system", ["ca.crt": "ca.crt", "tls.crt": "server.crt", "tls.key": "server.key"])
            + secret("entry-bare", "istio-system", ["tls.crt": "server.crt", "tls.key": "server.key"])
            + secret("entry-rsa", "istio-system", ["tls.crt": "rsa.crt", "tls.key": "rsa.key"])
            + secret("entry-authority", "istio-system", ["ca.crt": "ca.crt"])
    }

    /// A text in which `KEYDIGEST-NAME` and `LEAFDIGEST-NAME` are the digests of a certificate.
    static func filledIn(_ text: String, from folder: URL?) throws -> String {
        var result = text
        for name in ["client", "server", "rsa"] {
            for (mark, file) in [("KEYDIGEST", "spki"), ("LEAFDIGEST", "hash")] {
                guard result.contains("\(mark)-\(name)") else { continue }
                guard let folder else { throw CommandFailure(description: "this mesh has no certificates") }
                let digest = try String(contentsOf: folder.appending(path: "\(name).\(file)"), encoding: .utf8)
                result = result.replacing("\(mark)-\(name)", with: digest)
            }
        }
        return result
    }

    private func secret(_ name: String, _ namespace: String, _ files: [String: String]) throws -> String {
        var text = "apiVersion: v1\nkind: Secret\nmetadata: {name: \(name), namespace: \(namespace)}\nstringData:\n"
        for (key, file) in files.sorted(by: { $0.key < $1.key }) {
            text += "  \(key): |\n"
            for line in try read(file).split(separator: "\n") { text += "    \(line)\n" }
        }
        return text + "---\n"
    }
}
