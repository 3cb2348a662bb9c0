import ControlPlane
import Foundation
import Identity
import MeshState
import Synchronization
import TLS
import Testing
import XDS
import XDSTransport

/// A control plane behind TLS on a port of its own, gone with the test.
private final class Door: Sendable {
    let folder: String
    let key = TokenKey()
    let authority: CertificateAuthority
    let lines = Lines()
    private let controlPlane: ControlPlaneServer
    private let server: DiscoveryServer

    /// What was logged.
    final class Lines: Sendable {
        private let kept = Mutex<[String]>([])

        func write(_ line: String) { kept.withLock { $0.append(line) } }

        func contains(_ text: String) -> Bool { kept.withLock { $0.contains { $0.contains(text) } } }

        /// Polls until a line says so, for ten seconds at most.
        func expect(_ text: String, sourceLocation: Testing.SourceLocation = #_sourceLocation) async throws {
            let deadline = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < deadline {
                if contains(text) { return }
                try await Task.sleep(for: .milliseconds(10))
            }
            let all = kept.withLock { $0.joined(separator: "\n") }
            Issue.record("no line has \"\(text)\":\n\(all)", sourceLocation: sourceLocation)
        }
    }

    init(patienceSeconds: Int64 = 10) throws {
        folder = NSTemporaryDirectory() + "/martlet-door-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        authority = try CertificateAuthority(folder: folder + "/ca", now: Date())
        var options = ControlPlaneServer.Options()
        options.tokenKey = key
        let lines = lines
        controlPlane = ControlPlaneServer(options: options, authority: authority, log: { lines.write($0) })
        let identity = try SPIFFEID("spiffe://cluster.local/ns/istio-system/sa/martlet-control-plane")
        let request = try SigningRequest(identity: identity)
        let issued = try authority.signServer(
            requestPEM: request.requestPEM, identity: identity, names: [Door.name, "127.0.0.1"], lifetime: 3600,
            now: Date()
        )
        let door = try SecureDoor(
            SecureDoor.Certificate(
                chain: Array(issued.chain.dropLast()), privateKey: request.privateKeyPEM,
                trustAnchors: authority.trustAnchors),
            patience: .seconds(patienceSeconds), log: { lines.write($0) })
        server = DiscoveryServer(
            address: .tcp(host: "127.0.0.1", port: 0), security: door, discovery: controlPlane,
            certificates: controlPlane)
    }

    static let gateway = """
        apiVersion: v1
        kind: Secret
        metadata: {name: shop-cert, namespace: default}
        stringData: {tls.crt: certificate, tls.key: key}
        ---
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: shop, namespace: default}
        spec:
          selector: {istio: ingressgateway}
          servers:
            - port: {number: 443, name: https, protocol: HTTPS}
              tls: {mode: SIMPLE, credentialName: shop-cert}
              hosts: [shop.example.com]
        """

    static let name = "control-plane.martlet.internal"

    /// Runs `body` with the port of the server.
    func run(_ body: @escaping @Sendable (Door, Int) async throws -> Void) async throws {
        await controlPlane.apply(TestMesh(TestMesh.services + Door.gateway).snapshot, diagnostics: [])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.server.run() }
            group.addTask {
                let port = try #require(try await self.server.port())
                try await body(self, port)
                await self.controlPlane.stop()
                self.server.stop()
            }
            while try await group.next() != nil {}
        }
        try FileManager.default.removeItem(atPath: folder)
    }

    func token(
        _ audience: WorkloadToken.Audience = .xds, pod: String = "productpage-0", isGateway: Bool = false,
        seconds: Double = 60
    ) -> String {
        WorkloadToken(
            audience: audience, namespace: "default", serviceAccount: "productpage", pod: pod,
            expires: Date().addingTimeInterval(seconds), isGateway: isGateway
        ).mint(key: key)
    }

    /// What a client believes, and the certificate it shows.
    func security(
        trusting other: CertificateAuthority? = nil, name: String = Door.name, as account: String? = nil,
        from issuer: CertificateAuthority? = nil
    ) throws -> ClientSecurity {
        let anchors = (other ?? authority).trustAnchors.joined(separator: "\n")
        var security = ClientSecurity(
            trustAnchors: [.pem(anchors)], names: [.init(.dns, .exact(name))], serverName: Door.name)
        if let account {
            let identity = try SPIFFEID("spiffe://cluster.local/ns/default/sa/\(account)")
            let request = try SigningRequest(identity: identity)
            let issued = try (issuer ?? authority).sign(
                requestPEM: request.requestPEM, identity: identity, lifetime: 600, now: Date())
            security.certificateChain = issued.chain.dropLast().joined(separator: "\n")
            security.privateKey = request.privateKeyPEM
        }
        return security
    }
}

/// Subscribes to clusters, secrets and listeners, and ends with the first answer.
private func ask(
    _ port: Int, _ security: ClientSecurity?, token: String?, node: String = TestMesh.sidecar.id,
    secrets: [String] = []
) async throws -> [String] {
    struct Answered: Error {}
    let client = DiscoveryClient(address: .tcp(host: "127.0.0.1", port: port), security: security)
    let (requests, sink) = AsyncStream<DiscoveryClient.DeltaRequest>.makeStream()
    var request = DiscoveryClient.DeltaRequest()
    request.node.id = node
    request.typeURL = secrets.isEmpty ? TypeURL.cluster : TypeURL.secret
    request.resourceNamesSubscribe = secrets
    sink.yield(request)
    let names = Mutex<[String]>([])
    do {
        try await client.delta(token: token, requests: requests) { response in
            names.withLock { $0 = response.resources.map(\.name) + response.removedResources.map { "no \($0)" } }
            throw Answered()
        }
    } catch is Answered {}
    return names.withLock { $0 }
}

@Suite("Control plane behind TLS", .timeLimit(.minutes(2)))
struct SecureDoorTests {
    @Test("A proxy proves itself by its token, or by its certificate, and gets what is its")
    func admits() async throws {
        try await Door().run { door, port in
            let byToken = try await ask(port, door.security(), token: door.token())
            #expect(byToken.contains { $0.hasPrefix("outbound|9080|") })
            let byCertificate = try await ask(port, door.security(as: "productpage"), token: nil)
            #expect(byCertificate == byToken)
        }
    }

    @Test("Who speaks plaintext is refused, and the log says so")
    func plaintext() async throws {
        try await Door().run { door, port in
            await #expect(throws: (any Error).self) { try await ask(port, nil, token: door.token()) }
            try await door.lines.expect("it speaks plaintext, and this door speaks TLS only")
        }
    }

    @Test("Who never begins a handshake is not waited for")
    func silence() async throws {
        try await Door(patienceSeconds: 1).run { door, port in
            let (input, output) = (Pipe(), Pipe())
            let idle = Process()
            idle.executableURL = URL(fileURLWithPath: "/bin/bash")
            idle.arguments = ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port); cat <&3"]
            (idle.standardInput, idle.standardOutput) = (input, output)
            try idle.run()
            defer {
                idle.terminate()
                idle.waitUntilExit()
            }
            try await door.lines.expect("no TLS handshake within 1 s")
            // The connection has ended, or it would read for ever.
            let limit = ContinuousClock.now + .seconds(10)
            while idle.isRunning, ContinuousClock.now < limit { try await Task.sleep(for: .milliseconds(10)) }
            #expect(!idle.isRunning)
        }
    }

    @Test("A client does not believe another mesh's control plane, nor a workload that says it is one")
    func foreignServer() async throws {
        let other = NSTemporaryDirectory() + "/martlet-ca-" + UUID().uuidString.prefix(8)
        let foreign = try CertificateAuthority(folder: other, now: Date())
        defer { try? FileManager.default.removeItem(atPath: other) }
        try await Door().run { door, port in
            await #expect(throws: (any Error).self) {
                try await ask(port, door.security(trusting: foreign), token: door.token())
            }
            await #expect(throws: (any Error).self) {
                try await ask(port, door.security(name: "somebody.else"), token: door.token())
            }
        }
    }

    @Test("A certificate of another authority is refused at the handshake, and the log says whose")
    func foreignCertificate() async throws {
        let other = NSTemporaryDirectory() + "/martlet-ca-" + UUID().uuidString.prefix(8)
        let foreign = try CertificateAuthority(folder: other, now: Date())
        defer { try? FileManager.default.removeItem(atPath: other) }
        try await Door().run { door, port in
            await #expect(throws: (any Error).self) {
                try await ask(port, door.security(as: "productpage", from: foreign), token: door.token())
            }
            try await door.lines.expect(
                "no chain to a trust anchor: spiffe://cluster.local/ns/default/sa/productpage")
        }
    }

    @Test(
        "A wrong token is refused",
        arguments: ["nothing", "nonsense", "another pod's", "expired", "for certificates", "another mesh's"])
    func token(which: String) async throws {
        try await Door().run { door, port in
            let token: String? =
                switch which {
                case "nothing": nil
                case "nonsense": "nonsense"
                case "another pod's": door.token(pod: "reviews-v1-0")
                case "expired": door.token(seconds: -1)
                case "for certificates": door.token(.ca)
                default:
                    WorkloadToken(
                        audience: .xds, namespace: "default", serviceAccount: "productpage", pod: "productpage-0",
                        expires: Date().addingTimeInterval(60)
                    ).mint(key: TokenKey())
                }
            let security = try door.security()
            await #expect(throws: (any Error).self) { try await ask(port, security, token: token) }
            try await door.lines.expect("refused \(TestMesh.sidecar.id)")
        }
    }

    @Test("A stolen token makes nobody a gateway, and a certificate nobody another account's pod")
    func stolen() async throws {
        try await Door().run { door, port in
            let gateway = TestMesh.sidecar.id.replacingOccurrences(of: "sidecar~", with: "router~")
            await #expect(throws: (any Error).self) {
                try await ask(port, door.security(), token: door.token(), node: gateway)
            }
            try await door.lines.expect("the token of default/productpage-0 is not a gateway's")
            await #expect(throws: (any Error).self) { try await ask(port, door.security(as: "thief"), token: nil) }
            try await door.lines.expect("is not the one of default/productpage-0")
            await #expect(throws: (any Error).self) {
                try await ask(port, door.security(as: "productpage"), token: nil, node: gateway)
            }
            try await door.lines.expect("default/productpage-0 is no gateway")
        }
    }

    @Test("Who asks for another identity's secrets gets none")
    func secrets() async throws {
        try await Door().run { door, port in
            let wanted = ["kubernetes://shop-cert", "default", "ROOTCA"]
            let gateway = try await ask(
                port, door.security(), token: door.token(pod: "gateway-0", isGateway: true), node: TestMesh.gateway.id,
                secrets: wanted)
            #expect(gateway.contains("kubernetes://shop-cert"))
            // Key and certificate are made by the control plane only for proxies that cannot ask for one.
            let answer = try await ask(port, door.security(), token: door.token(), secrets: wanted)
            #expect(!answer.contains { !$0.hasPrefix("no ") })
        }
    }

    @Test("A certificate is renewed by the one before it, for the same identity alone")
    func renewal() async throws {
        try await Door().run { door, port in
            let security = try door.security(as: "productpage")
            let client = DiscoveryClient(address: .tcp(host: "127.0.0.1", port: port), security: security)
            let own = try SigningRequest(
                identity: SPIFFEID("spiffe://cluster.local/ns/default/sa/productpage"))
            let renewed = try await client.createCertificate(csr: own.requestPEM, token: nil)
            #expect(renewed.chain.count == 3)
            #expect(renewed.nextToken == nil)
            try await door.lines.expect("identity=spiffe://cluster.local/ns/default/sa/productpage for=certificate")
            let foreign = try SigningRequest(identity: SPIFFEID("spiffe://cluster.local/ns/default/sa/admin"))
            await #expect(throws: (any Error).self) {
                try await client.createCertificate(csr: foreign.requestPEM, token: nil)
            }
            let nobody = DiscoveryClient(address: .tcp(host: "127.0.0.1", port: port), security: try door.security())
            await #expect(throws: (any Error).self) {
                try await nobody.createCertificate(csr: own.requestPEM, token: nil)
            }
        }
    }
}
