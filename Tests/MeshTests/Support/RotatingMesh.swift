import Crypto
import Foundation

/// A mesh in which everything that proves who somebody is rotates fast, with an issuer of tokens that has a key set of now.
enum RotatingMesh {
    private static let lifetime = 2
    static let issuer = "https://auth.example.com"

    private static func pod(_ name: String) -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name)}
        spec: {selector: {app: \(name)}, ports: [{name: http, port: 8080}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), labels: {app: \(name)}}
        spec:
          serviceAccountName: \(name)
          containers:
          - {name: \(name), command: [martlet, example-service], args: ["--name=\(name)"], ports: [{containerPort: 8080}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: \(name)}
        spec:
          hosts: [\(name).example.com]
          gateways: [way-in]
          http: [{route: [{destination: {host: \(name), port: {number: 8080}}}]}]
        ---

        """
    }

    private static let policies = """
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: way-in}
        spec:
          selector: {istio: ingressgateway}
          servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]
        ---
        # Connections of `kept` are kept, those of `fresh` serve one request: a handshake each.
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: fresh}
        spec:
          host: fresh
          trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}
        ---
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {name: default, namespace: istio-system}
        spec: {mtls: {mode: STRICT}}
        ---
        apiVersion: security.istio.io/v1
        kind: RequestAuthentication
        metadata: {name: tokens}
        spec:
          selector: {matchLabels: {app: tokens}}
          jwtRules: [{issuer: "https://auth.example.com", jwksUri: "https://auth.example.com/keys"}]
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: require-token}
        spec:
          selector: {matchLabels: {app: tokens}}
          rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]
        ---
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: auth}
        spec:
          hosts: [auth.example.com]
          ports: [{number: 443, name: https, protocol: TLS, targetPort: 8443}]
          resolution: STATIC
          workloadSelector: {labels: {app: issuer}}
        ---
        apiVersion: v1
        kind: Pod
        metadata:
          name: issuer
          labels: {app: issuer}
          annotations: {sidecar.istio.io/inject: "false"}
        spec:
          containers: [{name: issuer, command: [python3, FOLDER/server.py, FOLDER], ports: [{containerPort: 8443}]}]

        """

    /// An issuer of tokens: HTTPS with a certificate of its own, and the keys of the file `keys.json` of now.
    private static let server = """
        import http.server, pathlib, ssl, sys

        folder = pathlib.Path(sys.argv[1])

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = (folder / "keys.json").read_bytes()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()
        """

    static func make() throws -> Mesh {
        let mesh = try Mesh(
            copying: [:], flags: ["--cert-lifetime", "\(lifetime)s", "--jwks-refresh", "1s"],
            environment: { ["SSL_CERT_FILE": $0.appending(path: "issuer/server.pem").path] })
        let folder = mesh.folder.appending(path: "issuer")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let made = try run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
            "2",
            "-subj", "/CN=auth.example.com", "-addext", "subjectAltName=DNS:auth.example.com",
            "-keyout", folder.appending(path: "server-key.pem").path,
            "-out", folder.appending(path: "server.pem").path,
        ])
        guard made.succeeded else { throw CommandFailure(description: "\(made)") }
        try Data(server.utf8).write(to: folder.appending(path: "server.py"))
        try publish([], in: mesh)
        let text = ["kept", "fresh", "tokens"].map(pod).joined() + policies
        try mesh.write(text.replacingOccurrences(of: "FOLDER", with: folder.path), to: "mesh.yaml")
        return mesh
    }

    static func publish(_ keys: [IssuerKey], in mesh: Mesh) throws {
        let json = try JSONSerialization.data(withJSONObject: ["keys": keys.map(\.published)])
        try json.write(to: mesh.folder.appending(path: "issuer/keys.json"), options: .atomic)
    }
}

/// A key of the issuer.
struct IssuerKey {
    let id: String
    let key = P256.Signing.PrivateKey()

    init(_ id: String) { self.id = id }

    var published: [String: String] {
        let point = key.publicKey.rawRepresentation
        return [
            "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": id, "x": encode(point.prefix(32)),
            "y": encode(point.suffix(32)),
        ]
    }

    func token() throws -> String {
        let head = encode(Data(#"{"alg":"ES256","kid":"\#(id)"}"#.utf8))
        let end = Int(Date().timeIntervalSince1970) + 600
        let body = encode(Data(#"{"iss":"\#(RotatingMesh.issuer)","sub":"a","exp":\#(end)}"#.utf8))
        let signature = try key.signature(for: Data("\(head).\(body)".utf8))
        return "\(head).\(body).\(encode(signature.rawRepresentation))"
    }

    private func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
