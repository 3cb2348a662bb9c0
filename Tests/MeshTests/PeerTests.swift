import Foundation
import Testing

/// Peers that are not ours under our control plane: a stock Envoy beside Martlet's sidecar, and gRPC's own xDS client. They take
/// programs that not every machine has, so they run when asked for: MARTLET_PEERS=1.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["MARTLET_PEERS"] != nil, "set MARTLET_PEERS=1"))
struct PeerTests {
    private static let script: String = {
        let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        return repository.joined(separator: "/") + "/Tests/Peers/peers.py"
    }()

    @Test("The same mesh answers alike through Martlet's sidecar and through Envoy's")
    func envoy() throws {
        let result = try run(["python3", Self.script, Mesh.program, "envoy"], deadline: .seconds(300))
        #expect(result.succeeded, "\(result)")
    }

    @Test("gRPC's xDS client gets weights, header matches and localities right")
    func grpc() throws {
        let result = try run(["python3", Self.script, Mesh.program, "grpc"], deadline: .seconds(120))
        #expect(result.succeeded, "\(result)")
    }
}
