import Foundation
import Testing

extension WholeMesh {
    /// Processes that die under load.
    @Suite(.mesh { try Mesh(copying: ["shop": "\(Mesh.examples)/shop"]) })
    struct FailureTests {
        static let host = "shop.example.com"

        /// Kills with SIGKILL under load and waits until traffic is well again. Every request must have got a whole answer.
        private func killUnderLoad(
            _ mesh: Mesh,
            _ find: () throws -> ProcessTable.Entry,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws -> [Load.Outcome] {
            try await mesh.waitUntilServing(host: Self.host)
            let load = Load(port: mesh.gatewayPort, host: Self.host)
            try await load.waitUntilWell(newest: 50)
            let start = load.count
            let victim = try find()
            kill(victim.id, SIGKILL)
            try await eventually("a new process in place of \(victim.line)") {
                let next = try find()
                return next.id != victim.id ? true : nil
            }
            try await load.waitUntilWell()
            _ = try await load.stop()
            let outcomes = load.outcomes(from: start)
            let broken = outcomes.filter { $0.status == 0 }
            #expect(broken.isEmpty, "\(outcomes.summary)\n\(mesh.logs)", sourceLocation: sourceLocation)
            return outcomes
        }

        @Test func aDeadApplicationGivesClean503sAndComesBack() async throws {
            let mesh = try currentMesh()
            let outcomes = try await killUnderLoad(mesh) { try mesh.application("catalog", "v1") }
            #expect(
                outcomes.allSatisfy { [200, 503].contains($0.status) },
                "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)"
            )
        }

        @Test func aDeadReplicaCostsNothingForRetriesFindTheOther() async throws {
            let mesh = try currentMesh()
            let outcomes = try await killUnderLoad(mesh) { try mesh.application("frontend", "v1") }
            // Requests that the dead process held are lost; what came after was answered by the other replica.
            #expect(
                outcomes.failed.count <= 8, "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)")
        }

        @Test func aDeadSidecarIsRestarted() async throws {
            let mesh = try currentMesh()
            let outcomes = try await killUnderLoad(mesh) { try mesh.sidecar(of: "catalog-v1-0") }
            // 502 is the application's own word for a call that its dead sidecar held.
            #expect(
                outcomes.allSatisfy { [200, 502, 503].contains($0.status) },
                "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)"
            )
        }

        @Test func aDeadControlPlaneLosesNothing() async throws {
            let mesh = try currentMesh()
            let outcomes = try await killUnderLoad(mesh) { try mesh.controlPlane() }
            #expect(outcomes.failed.isEmpty, "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)")
            // The new one serves changes to proxies that outlived the old one.
            let text = try mesh.read("shop/routing.yaml")
            let changed = text.replacingOccurrences(of: "weight: 90", with: "weight: 0")
                .replacingOccurrences(of: "weight: 10", with: "weight: 100")
            try mesh.write(changed, to: "shop/routing.yaml")
            try await eventually("twenty answers in a row with reviews v2") { () -> Bool? in
                for _ in 0..<20 {
                    let answer = try mesh.get("/", host: Self.host)
                    guard answer.text.contains("\"service\":\"reviews\",\"version\":\"v2\"") else { return nil }
                }
                return true
            }
            try mesh.write(text, to: "shop/routing.yaml")
        }
    }
}
