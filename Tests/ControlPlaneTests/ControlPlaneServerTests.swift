import ControlPlane
import Foundation
import Identity
import MeshState
import Synchronization
import Testing
import XDS
import XDSTransport

/// A control plane on a Unix socket of its own, gone with the test.
private struct Harness {
    let folder: String
    let key = TokenKey()
    let controlPlane: ControlPlaneServer
    let server: DiscoveryServer
    let client: DiscoveryClient

    init() throws {
        folder = NSTemporaryDirectory() + "/martlet-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var options = ControlPlaneServer.Options()
        options.tokenKey = key
        options.statusPath = folder + "/status.json"
        let authority = try CertificateAuthority(folder: folder + "/ca", now: Date())
        controlPlane = ControlPlaneServer(options: options, authority: authority)
        let address = ServerAddress.unixSocket(path: folder + "/xds.sock")
        server = DiscoveryServer(address: address, discovery: controlPlane, certificates: controlPlane)
        client = DiscoveryClient(address: address)
    }

    func token(_ audience: WorkloadToken.Audience, pod: String = "productpage-0") -> String {
        WorkloadToken(
            audience: audience, namespace: "default", serviceAccount: "productpage", pod: pod,
            expires: Date().addingTimeInterval(60)
        ).mint(key: key)
    }

    /// Runs `body` beside the server.
    func run(_ body: @escaping @Sendable (Harness) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.server.run() }
            group.addTask {
                try await eventually { FileManager.default.fileExists(atPath: self.folder + "/xds.sock") }
                try await body(self)
                await self.controlPlane.stop()
                self.server.stop()
            }
            while try await group.next() != nil {}
        }
        try FileManager.default.removeItem(atPath: folder)
    }
}

/// Polls until it holds, for ten seconds at most.
private func eventually(
    _ condition: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("did not become true within ten seconds", sourceLocation: sourceLocation)
}

private typealias SourceLocation = Testing.SourceLocation

/// A proxy that subscribes to everything and acknowledges whatever comes.
private final class TestProxy: Sendable {
    let held = Mutex<[String: [String: String]]>([:])
    private let requests: AsyncStream<DiscoveryClient.DeltaRequest>
    private let sink: AsyncStream<DiscoveryClient.DeltaRequest>.Continuation

    init(node: String) {
        (requests, sink) = AsyncStream.makeStream()
        for type in [TypeURL.cluster, TypeURL.listener] {
            var request = DiscoveryClient.DeltaRequest()
            request.node.id = node
            request.typeURL = type
            sink.yield(request)
        }
    }

    func run(_ client: DiscoveryClient, token: String?) async throws {
        try await client.delta(token: token, requests: requests) { [self] response in
            held.withLock { held in
                for resource in response.resources {
                    held[response.typeURL, default: [:]][resource.name] = resource.version
                }
                for name in response.removedResources { held[response.typeURL]?[name] = nil }
            }
            var acknowledgement = DiscoveryClient.DeltaRequest()
            acknowledgement.typeURL = response.typeURL
            acknowledgement.responseNonce = response.nonce
            sink.yield(acknowledgement)
        }
    }

    func finish() { sink.finish() }

    func names(_ type: String) -> [String] { held.withLock { $0[type, default: [:]].keys.sorted() } }
}

@Suite("Control plane over its socket", .timeLimit(.minutes(2)))
struct ControlPlaneServerTests {
    @Test("A proxy with its token gets its configuration, then each change, and the status says how far it is")
    func serves() async throws {
        try await Harness().run { harness in
            await harness.controlPlane.apply(TestMesh(TestMesh.services).snapshot, diagnostics: [])
            let proxy = TestProxy(node: TestMesh.sidecar.id)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try? await proxy.run(harness.client, token: harness.token(.xds)) }
                try await eventually { proxy.names(TypeURL.listener).contains("virtualInbound") }
                #expect(proxy.names(TypeURL.listener).contains("0.0.0.0_9080"))

                let next = SnapshotBuilder().build(
                    MeshState.ResourceSet(), previous: TestMesh(TestMesh.services).snapshot
                ).snapshot
                await harness.controlPlane.apply(next, diagnostics: [])
                try await eventually { !proxy.names(TypeURL.cluster).contains { $0.hasPrefix("outbound|") } }
                try await eventually {
                    let status = await harness.controlPlane.status()
                    return status.proxies.first?.ackedGeneration == status.generation
                }
                try await eventually {
                    let text = try String(contentsOfFile: harness.folder + "/status.json", encoding: .utf8)
                    return text.contains(TestMesh.sidecar.id)
                }
                proxy.finish()
                group.cancelAll()
            }
        }
    }

    @Test("A proxy without a token, or with another pod's, is refused")
    func refuses() async throws {
        try await Harness().run { harness in
            await harness.controlPlane.apply(TestMesh(TestMesh.services).snapshot, diagnostics: [])
            for token in [nil, "nonsense", harness.token(.ca), harness.token(.xds, pod: "reviews-v1-0")] {
                let proxy = TestProxy(node: TestMesh.sidecar.id)
                await #expect(throws: (any Error).self) { try await proxy.run(harness.client, token: token) }
                #expect(proxy.names(TypeURL.cluster) == [])
            }
        }
    }

    @Test("A certificate costs a one-time token, and brings the next one")
    func signs() async throws {
        try await Harness().run { harness in
            let identity = try SPIFFEID("spiffe://cluster.local/ns/default/sa/productpage")
            let request = try SigningRequest(identity: identity)
            let token = harness.token(.ca)
            let first = try await harness.client.createCertificate(csr: request.requestPEM, token: token)
            #expect(first.chain.count == 3)
            let next = try #require(first.nextToken)
            // An answer that was lost is given again, for the same key alone.
            let again = try await harness.client.createCertificate(csr: request.requestPEM, token: token)
            #expect(again.nextToken.map { $0.split(separator: ".").count } == 2)
            let thief = try SigningRequest(identity: identity)
            await #expect(throws: (any Error).self) {
                try await harness.client.createCertificate(csr: thief.requestPEM, token: token)
            }
            // What is refused for another reason costs no token.
            let kept = harness.token(.ca)
            await #expect(throws: (any Error).self) {
                try await harness.client.createCertificate(csr: "nonsense", token: kept)
            }
            #expect(try await harness.client.createCertificate(csr: request.requestPEM, token: kept).chain.count == 3)
            let second = try await harness.client.createCertificate(csr: request.requestPEM, token: next)
            #expect(second.chain.first != first.chain.first)
            #expect(second.chain.last == first.chain.last)
            // There is one next token, however often its answer was given.
            if let twin = again.nextToken {
                await #expect(throws: (any Error).self) {
                    try await harness.client.createCertificate(csr: thief.requestPEM, token: twin)
                }
            }

            let foreign = try SigningRequest(identity: SPIFFEID("spiffe://cluster.local/ns/default/sa/admin"))
            await #expect(throws: (any Error).self) {
                try await harness.client.createCertificate(csr: foreign.requestPEM, token: harness.token(.ca))
            }
        }
    }

    @Test("The certificates of pods that are gone are forgotten")
    func forgets() async throws {
        try await Harness().run { harness in
            let pods = { (names: [String]) in TestMesh.pods.filter { names.contains($0.name) } }
            let apply = { (names: [String]) in
                await harness.controlPlane.apply(
                    TestMesh(TestMesh.services, pods: pods(names)).snapshot, diagnostics: [])
            }
            let known = { await harness.controlPlane.status().identities.map(\.pod) }
            let request = try SigningRequest(identity: SPIFFEID("spiffe://cluster.local/ns/default/sa/productpage"))
            await apply(["reviews-v1-0"])
            _ = try await harness.client.createCertificate(csr: request.requestPEM, token: harness.token(.ca))
            // Proxies may be faster than the list of pods.
            await apply(["reviews-v2-0"])
            #expect(await known() == ["default/productpage-0"])
            await apply(["reviews-v1-0", "productpage-0"])
            #expect(await known() == ["default/productpage-0"])
            await apply(["reviews-v1-0"])
            #expect(await known() == [])
        }
    }
}
