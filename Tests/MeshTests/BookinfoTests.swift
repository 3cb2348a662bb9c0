import Foundation
import Testing

extension WholeMesh {
    /// Istio's Bookinfo sample as Istio ships it, and the behaviours that its documentation promises.
    @Suite(
        .enabled(if: Mesh.bookinfo != nil, "Istio's Bookinfo sample is not at hand"),
        .mesh {
            let sample = try #require(Mesh.bookinfo)
            return try Mesh(
                copying: [
                    "bookinfo.yaml": "\(sample)/platform/kube/bookinfo.yaml",
                    "gateway.yaml": "\(sample)/networking/bookinfo-gateway.yaml",
                    "destination-rule-all.yaml": "\(sample)/networking/destination-rule-all.yaml",
                ],
                flags: ["--local", "\(Mesh.examples)/bookinfo/local.yaml"]
            )
        }
    )
    struct BookinfoTests {
        static let host = "bookinfo.example.com"

        /// Which version of reviews made the page; `-` for none.
        private func reviews(_ text: String) -> String {
            ["v1", "v2", "v3"].first { text.contains("\"service\":\"reviews\",\"version\":\"\($0)\"") } ?? "-"
        }

        /// Counts of reviews' versions over `count` pages.
        private func pages(_ count: Int, user: String? = nil, in mesh: Mesh) throws -> [String: Int] {
            let connection = HTTPConnection(port: mesh.gatewayPort)
            var counts: [String: Int] = [:]
            for _ in 0..<count {
                let headers = user.map { ["cookie": "user=\($0)"] } ?? [:]
                let answer = try connection.get("/productpage", host: Self.host, headers: headers)
                #expect(answer.status == 200)
                counts[reviews(answer.text), default: 0] += 1
            }
            return counts
        }

        private func apply(_ name: String, in mesh: Mesh, until probe: () throws -> Bool) async throws {
            let sample = try #require(Mesh.bookinfo)
            let text = try String(contentsOfFile: "\(sample)/networking/\(name).yaml", encoding: .utf8)
            try mesh.write(text, to: "reviews.yaml")
            do {
                try await eventually("\(name) in force", within: .seconds(20)) { try probe() ? true : nil }
            } catch {
                throw CommandFailure(description: "\(error)\n\(try mesh.martlet("status"))\n\(mesh.logs)")
            }
        }

        @Test func theProductPageShowsDetailsAndReviews() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing("/productpage", host: Self.host)
            try await eventually("details and reviews in the page") {
                let text = try mesh.get("/productpage", host: Self.host).text
                return text.contains("\"service\":\"details\"") && text.contains("\"service\":\"reviews\"") ? true : nil
            }
            #expect(try mesh.get("/elsewhere", host: Self.host).status == 404)
        }

        @Test func allV1() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing("/productpage", host: Self.host)
            try await apply("virtual-service-all-v1", in: mesh) { try pages(20, in: mesh) == ["v1": 20] }
            #expect(try pages(200, in: mesh) == ["v1": 200])
            #expect(try pages(50, user: "jason", in: mesh) == ["v1": 50])
        }

        @Test func jasonSeesV2() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing("/productpage", host: Self.host)
            try await apply("virtual-service-reviews-test-v2", in: mesh) {
                try pages(10, user: "jason", in: mesh) == ["v2": 10] && pages(10, in: mesh) == ["v1": 10]
            }
            #expect(try pages(200, user: "jason", in: mesh) == ["v2": 200])
            #expect(try pages(200, user: "anna", in: mesh) == ["v1": 200])
            let text = try mesh.get("/productpage", host: Self.host, headers: ["cookie": "user=jason"]).text
            #expect(text.contains("\"service\":\"ratings\""), "v2 asks for ratings: \(text)")
        }

        @Test(arguments: [
            ("virtual-service-reviews-50-v3", "v1", "v3", 0.5), ("virtual-service-reviews-80-20", "v1", "v2", 0.2),
            ("virtual-service-reviews-90-10", "v1", "v2", 0.1),
        ])
        func aWeightedSplit(_ manifest: String, _ most: String, _ few: String, _ share: Double) async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing("/productpage", host: Self.host)
            try await apply(manifest, in: mesh) {
                let counts = try pages(100, in: mesh)
                let tail = Double(counts[few, default: 0])
                return Set(counts.keys) == [most, few] && tail > 0.3 * share * 100 && tail < 2.5 * share * 100
            }
            try expectSplit(share, of: 1000) {
                let counts = try pages(1000, in: mesh)
                #expect(counts[most, default: 0] + counts[few, default: 0] == 1000, "\(counts)")
                return counts[few, default: 0]
            }
        }
    }
}
