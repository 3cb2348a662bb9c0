import Foundation
import Testing

extension WholeMesh {
    /// Everything that proves who somebody is changes under load, and nobody notices: each workload's certificate every
    /// second or so, the mesh's root once, the keys of a token issuer again and again.
    @Suite(.mesh { try RotatingMesh.make() })
    struct RotationTests {
        @Test func leavesAndTheRootRotateUnderLoadWithoutAFailedRequest() async throws {
            let mesh = try currentMesh()
            for host in ["kept.example.com", "fresh.example.com"] { try await mesh.waitUntilServing(host: host) }
            let loads = ["kept", "fresh"].map { Load(port: mesh.gatewayPort, host: "\($0).example.com", threads: 3) }
            func root() throws -> String {
                try String(contentsOf: mesh.stateFolder.appending(path: "ca/root.pem"), encoding: .utf8)
            }
            func rotate(_ more: [String] = []) throws -> CommandResult {
                try run([Mesh.program, "ca", "rotate", "--state-dir", mesh.stateFolder.path] + more)
            }
            let old = try root()
            let issued = Self.certificates(mesh)
            let began = ContinuousClock.now
            let tooShort = try rotate(["--step", "1"])
            #expect(!tooShort.succeeded && tooShort.errors.contains("too short"), "\(tooShort)")
            let rotation = try rotate()
            #expect(rotation.succeeded, "\(rotation)")
            try await eventually("the new root signs", within: .seconds(20)) { try root() != old ? true : nil }
            try await eventually("the old root is forgotten", within: .seconds(20)) {
                let retired = mesh.stateFolder.appending(path: "ca/retired-root.pem").path
                return FileManager.default.fileExists(atPath: retired) ? nil : true
            }
            // And on with the new one alone, until nobody holds anything of the old one.
            for load in loads { try await load.waitForMore(300) }
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            let count = Self.certificates(mesh) - issued
            print("rotation: \(count) certificates in \(Int(seconds)) s, \(loads.map(\.count)) requests")
            // Three workloads with sidecars and the gateway, each at least every two seconds.
            #expect(Double(count) > 4 * seconds / 2)
            for load in loads {
                let outcomes = try await load.stop()
                #expect(outcomes.count > 300)
                #expect(
                    outcomes.failed.isEmpty, "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)")
            }
        }

        private func status(_ token: String, in mesh: Mesh) throws -> Int {
            try mesh.get("/", host: "tokens.example.com", headers: ["authorization": "Bearer \(token)"]).status
        }

        /// Lines of the audit trail.
        private static func certificates(_ mesh: Mesh) -> Int {
            mesh.log("control-plane.log").split(separator: "\n").filter { $0.contains("issued certificate") }.count
        }

        @Test func keysOfAnIssuerRotateUnderLoadWithoutAWrongRefusal() async throws {
            let mesh = try currentMesh()
            var current = IssuerKey("0")
            try RotatingMesh.publish([current], in: mesh)
            let first = try current.token()
            try await eventually("the first key is known", within: .seconds(20)) {
                try status(first, in: mesh) == 200 ? true : nil
            }
            var loads: [Load] = []
            func load(_ key: IssuerKey) throws -> Load {
                Load(
                    port: mesh.gatewayPort, host: "tokens.example.com",
                    headers: ["authorization": "Bearer \(try key.token())"], threads: 2, pause: .milliseconds(5))
            }
            loads.append(try load(current))
            for number in 1...3 {
                // As issuers do: the next key is published before it signs, the old one while its tokens live.
                let next = IssuerKey("\(number)")
                try RotatingMesh.publish([current, next], in: mesh)
                let token = try next.token()
                try await eventually("key \(number) is known", within: .seconds(20)) {
                    try status(token, in: mesh) == 200 ? true : nil
                }
                loads.append(try load(next))
                for load in loads.suffix(2) { try await load.waitForMore(100) }
                // Nobody sends tokens of the old key any more when it is withdrawn.
                let outcomes = try await loads[loads.count - 2].stop()
                #expect(outcomes.failed.isEmpty, "\(outcomes.summary)\n\(outcomes.failureSamples)")
                let old = try current.token()
                #expect(try status(old, in: mesh) == 200)
                try RotatingMesh.publish([next], in: mesh)
                try await eventually("tokens of key \(number - 1) are refused", within: .seconds(20)) {
                    try status(old, in: mesh) == 401 ? true : nil
                }
                current = next
            }
            // The issuer answers nonsense: the last good keys stay.
            let keys = mesh.folder.appending(path: "issuer/keys.json")
            try Data("{".utf8).write(to: keys, options: .atomic)
            try await eventually("the control plane says so", within: .seconds(20)) {
                mesh.log("control-plane.log").contains("the last good one stays in force") ? true : nil
            }
            try await loads[loads.count - 1].waitForMore(100)
            let outcomes = try await loads[loads.count - 1].stop()
            #expect(outcomes.failed.isEmpty, "\(outcomes.summary)\n\(outcomes.failureSamples)")
            #expect(try status(first, in: mesh) == 401)
            #expect(try mesh.get("/", host: "tokens.example.com").status == 403)
        }
    }
}
