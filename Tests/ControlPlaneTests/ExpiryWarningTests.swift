import ControlPlane
import Foundation
import Identity
import Synchronization
import Testing
import XDSTransport

/// A clock that tests turn.
private final class Clock: Sendable {
    private let moment = Mutex(Date())

    var now: Date { moment.withLock { $0 } }

    func pass(seconds: TimeInterval) { moment.withLock { $0 += seconds } }
}

@Suite("Certificates about to expire")
struct ExpiryWarningTests {
    @Test("A certificate that nobody renews, and an authority in its last thirty days, are warnings of the status")
    func warns() async throws {
        let folder = NSTemporaryDirectory() + "/martlet-expiry-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let clock = Clock()
        let key = TokenKey()
        var options = ControlPlaneServer.Options()
        options.tokenKey = key
        options.certificateLifetime = 3600
        let authority = try CertificateAuthority(folder: folder + "/ca", now: clock.now)
        let controlPlane = ControlPlaneServer(options: options, authority: authority, now: { clock.now })
        await controlPlane.apply(TestMesh(TestMesh.services).snapshot, diagnostics: [])
        let request = try SigningRequest(identity: SPIFFEID("spiffe://cluster.local/ns/default/sa/productpage"))
        let token = WorkloadToken(
            audience: .ca, namespace: "default", serviceAccount: "productpage", pod: "productpage-0",
            expires: clock.now.addingTimeInterval(60)
        ).mint(key: key)
        _ = try await controlPlane.sign(
            csr: request.requestPEM, lifetimeSeconds: 0, credentials: PeerCredentials(token: token))
        let warnings = { (name: String) in
            await controlPlane.status().errors.filter { $0.severity == "warning" && $0.resource.contains(name) }.map(
                \.message)
        }
        #expect(await warnings("default/productpage-0") == [])
        // Proxies renew at half of the life: with a fifth left something is wrong.
        clock.pass(seconds: 3600 * 0.85)
        #expect(await warnings("default/productpage-0").first?.contains("was not renewed") == true)
        clock.pass(seconds: 3600)
        #expect(await warnings("default/productpage-0").first?.contains("has ended") == true)
        #expect(await warnings("signing certificate") == [])
        clock.pass(seconds: 340 * 86400)
        #expect(await warnings("signing certificate").first?.contains("ends in") == true)
    }
}
