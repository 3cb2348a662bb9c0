import Foundation
import Testing

extension WholeMesh {
    /// What a mesh leaves behind: nothing.
    @Suite struct LeftoverTests {
        static let host = "shop.example.com"

        private func expectNothingLeft(
            of mesh: Mesh,
            before: HostTraces,
            _ known: [ProcessTable.Entry],
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            try await eventually("the end of every process of the mesh", within: .seconds(15)) {
                let table = ProcessTable()
                let left = known.filter { table.entries[$0.id]?.words == $0.words } + mesh.processes
                guard left.isEmpty else {
                    throw CommandFailure(description: left.map { "\($0.id) \($0.line)" }.joined(separator: "\n"))
                }
                return true
            }
            let after = HostTraces()
            #expect(after == before, "before: \(before)\nafter: \(after)", sourceLocation: sourceLocation)
        }

        @Test func downLeavesNothing() async throws {
            let before = HostTraces()
            let mesh = try Mesh(copying: ["shop": "\(Mesh.examples)/shop"])
            defer { mesh.remove() }
            try mesh.start()
            try await mesh.waitUntilServing(host: Self.host)
            let known = mesh.processes
            #expect(known.count > 10)
            let result = try mesh.down()
            #expect(result.succeeded, "\(result)")
            try await expectNothingLeft(of: mesh, before: before, known)
        }

        @Test func downCleansUpAfterTheMeshWasKilled() async throws {
            let before = HostTraces()
            let mesh = try Mesh(copying: ["shop": "\(Mesh.examples)/shop"])
            defer { mesh.remove() }
            try mesh.start()
            try await mesh.waitUntilServing(host: Self.host)
            let known = mesh.processes
            let ids = Set(known.map(\.id))
            // The supervisor is the one whose parent is no part of the mesh.
            let tops = known.filter { !ids.contains($0.parent) }
            #expect(!tops.isEmpty)
            for top in tops { kill(top.id, SIGKILL) }
            let result = try mesh.down()
            #expect(result.succeeded, "\(result)")
            try await expectNothingLeft(of: mesh, before: before, known)
        }

        @Test func theNextUpCleansUpAfterAKillAndRuns() async throws {
            let before = HostTraces()
            let mesh = try Mesh(copying: ["shop": "\(Mesh.examples)/shop"])
            defer { mesh.remove() }
            try mesh.start()
            try await mesh.waitUntilServing(host: Self.host)
            let known = mesh.processes
            let ids = Set(known.map(\.id))
            for top in known.filter({ !ids.contains($0.parent) }) { kill(top.id, SIGKILL) }
            try mesh.start()
            try await mesh.waitUntilServing(host: Self.host)
            let all = known + mesh.processes
            try mesh.down()
            try await expectNothingLeft(of: mesh, before: before, all)
        }
    }
}
