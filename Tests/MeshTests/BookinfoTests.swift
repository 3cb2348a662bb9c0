import Foundation
import Testing

extension WholeMesh {
    /// Istio's Bookinfo, and the behaviours that its documentation promises: the sample as Istio ships it where that is at hand,
    /// otherwise our own words for the same services.
    @Suite(
        .mesh {
            try Mesh(copying: Bookinfo.manifests, flags: ["--local", "\(Mesh.examples)/bookinfo/local.yaml"])
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
            let text = try String(contentsOfFile: Bookinfo.routing(name), encoding: .utf8)
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
            try await apply("all-v1", in: mesh) { try pages(20, in: mesh) == ["v1": 20] }
            #expect(try pages(200, in: mesh) == ["v1": 200])
            #expect(try pages(50, user: "jason", in: mesh) == ["v1": 50])
        }

        @Test func jasonSeesV2() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing("/productpage", host: Self.host)
            try await apply("reviews-jason-v2", in: mesh) {
                try pages(10, user: "jason", in: mesh) == ["v2": 10] && pages(10, in: mesh) == ["v1": 10]
            }
            #expect(try pages(200, user: "jason", in: mesh) == ["v2": 200])
            #expect(try pages(200, user: "anna", in: mesh) == ["v1": 200])
            let text = try mesh.get("/productpage", host: Self.host, headers: ["cookie": "user=jason"]).text
            #expect(text.contains("\"service\":\"ratings\""), "v2 asks for ratings: \(text)")
        }

        @Test(arguments: [
            ("reviews-50-v3", "v1", "v3", 0.5), ("reviews-80-20", "v1", "v2", 0.2),
            ("reviews-90-10", "v1", "v2", 0.1),
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

/// Where the manifests are.
private enum Bookinfo {
    /// Name in the mesh's folder -> path.
    static var manifests: [String: String] {
        guard let sample = Mesh.bookinfo else { return ["mesh": "\(Mesh.examples)/bookinfo/mesh"] }
        return [
            "bookinfo.yaml": "\(sample)/platform/kube/bookinfo.yaml",
            "gateway.yaml": "\(sample)/networking/bookinfo-gateway.yaml",
            "destination-rule-all.yaml": "\(sample)/networking/destination-rule-all.yaml",
        ]
    }

    /// The file of one routing, by the name that it has in our own folder.
    static func routing(_ name: String) -> String {
        guard let sample = Mesh.bookinfo else { return "\(Mesh.examples)/bookinfo/routing/\(name).yaml" }
        let theirs = name == "reviews-jason-v2" ? "reviews-test-v2" : name
        return "\(sample)/networking/virtual-service-\(theirs).yaml"
    }
}
