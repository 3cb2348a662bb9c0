import Foundation
import Testing

extension WholeMesh {
    /// Editing manifests of a mesh that carries traffic.
    @Suite(.mesh { try Mesh(copying: ["shop": "\(Mesh.examples)/shop"]) })
    struct LiveChangeTests {
        static let host = "shop.example.com"

        private func setWeights(_ v1: Int, _ v2: Int, in mesh: Mesh) throws {
            let text = try String(contentsOfFile: "\(Mesh.examples)/shop/routing.yaml", encoding: .utf8)
            let changed = text.replacingOccurrences(of: "weight: 90\n", with: "weight: \(v1)\n")
                .replacingOccurrences(of: "weight: 10\n", with: "weight: \(v2)\n")
            try mesh.write(changed, to: "shop/routing.yaml")
        }

        private func reviewsVersion(_ outcome: Load.Outcome) -> String? {
            ["v1", "v2"].first { outcome.body.contains("\"service\":\"reviews\",\"version\":\"\($0)\"") }
        }

        @Test func aChangedWeightShiftsTrafficWithoutAFailedRequest() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let load = Load(port: mesh.gatewayPort, host: Self.host)
            for (v1, v2) in [(0, 100), (100, 0), (0, 100), (100, 0)] {
                try setWeights(v1, v2, in: mesh)
                let wanted = v1 == 100 ? "v1" : "v2"
                let start = load.count
                try await eventually("all reviews from \(wanted)", within: .seconds(10)) {
                    let recent = load.outcomes(from: start).suffix(60)
                    return recent.count == 60 && recent.allSatisfy { reviewsVersion($0) == wanted } ? true : nil
                }
            }
            let outcomes = try await load.stop()
            #expect(outcomes.failed.isEmpty, "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)")
        }

        @Test func aSavedFileIsInForceWithinASecond() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let load = Load(port: mesh.gatewayPort, host: Self.host)
            try await load.waitForMore(50)
            try setWeights(0, 100, in: mesh)
            let saved = ContinuousClock.now
            try await load.waitForMore(150)
            let outcomes = try await load.stop()
            let late = outcomes.filter { $0.time > saved + .seconds(1.5) && reviewsVersion($0) == "v1" }
            // One second is the promise; a request that began before it may end after it.
            #expect(late.isEmpty, "\(late.count) answers of v1 after more than a second")
            #expect(outcomes.contains { reviewsVersion($0) == "v2" })
            try setWeights(90, 10, in: mesh)
        }

        @Test func aTypoIsReportedWithItsPlaceAndChangesNothing() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            try setWeights(100, 0, in: mesh)
            let load = Load(port: mesh.gatewayPort, host: Self.host)
            try await eventually("all reviews from v1", within: .seconds(10)) {
                let recent = load.outcomes().suffix(60)
                return recent.count == 60 && recent.allSatisfy { reviewsVersion($0) == "v1" } ? true : nil
            }
            let good = try mesh.read("shop/routing.yaml")
            // The weights would change too, were the file accepted.
            var lines = good.replacingOccurrences(of: "weight: 100\n", with: "weight: 1\n")
                .replacingOccurrences(of: "weight: 0\n", with: "weight: 99\n")
                .split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
            let index = try #require(lines.firstIndex { $0.contains("- destination:") })
            let column = lines[index].prefix { $0 != "d" }.count + 1
            lines[index] = lines[index].replacingOccurrences(of: "destination:", with: "destinaton:")
            try mesh.write(lines.joined(separator: "\n"), to: "shop/routing.yaml")

            let place = "routing.yaml:\(index + 1):\(column)"
            try await eventually("\(place) in martlet status", within: .seconds(10)) {
                let result = try mesh.martlet("status")
                let text = result.output + result.errors
                return text.contains(place) && text.contains("destinaton") ? true : nil
            }
            let problem = try await eventually("the same from the control plane", within: .seconds(10)) {
                try mesh.controlPlaneStatus().errors.first { $0.line == index + 1 && $0.message.contains("destinaton") }
            }
            #expect(problem.column == column)

            let start = load.count
            try await load.waitForMore(100)
            let during = load.outcomes(from: start)
            #expect(during.allSatisfy { reviewsVersion($0) == "v1" }, "the last good configuration keeps serving")
            try mesh.write(good, to: "shop/routing.yaml")
            try await eventually("no more errors", within: .seconds(10)) {
                try mesh.controlPlaneStatus().errors.isEmpty ? true : nil
            }
            let outcomes = try await load.stop()
            #expect(outcomes.failed.isEmpty, "\(outcomes.summary)\n\(outcomes.failureSamples)\n\(mesh.failedRequests)")
        }
    }
}
