import ControlPlane
import Foundation
import Testing

@Suite("Key sets of issuers")
struct KeySetStoreTests {
    private static func mesh(_ issuer: String) -> TestMesh {
        TestMesh(
            """
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: tokens, namespace: default}
            spec: {jwtRules: [{issuer: me, jwksUri: "http://127.0.0.1:1/\(issuer)"}]}
            """)
    }

    @Test("A set that the next configuration does not name stays until that configuration is in force")
    func staysUntilSettled() async throws {
        let path = NSTemporaryDirectory() + "/martlet-keys-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let known = ["a", "b"].map { "\"http://127.0.0.1:1/\($0)\": \"{}\"" }.joined(separator: ",")
        try "{\(known)}".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        var options = KeySetStore.Options()
        options.memoryPath = path
        let store = KeySetStore(options: options)
        let (before, after) = (Self.mesh("a").snapshot, Self.mesh("b").snapshot)
        await store.prepare(for: before)
        #expect(await store.snapshot.texts.keys.map(\.description) == ["http://127.0.0.1:1/a"])
        await store.prepare(for: after)
        #expect(await store.snapshot.texts.count == 2)
        await store.settle(on: after)
        #expect(await store.snapshot.texts.keys.map(\.description) == ["http://127.0.0.1:1/b"])
        await store.stop()
    }
}
