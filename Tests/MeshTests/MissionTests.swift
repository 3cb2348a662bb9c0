import Foundation
import Testing

extension WholeMesh {
    /// The handbook's manifests as they are, in the namespace default: each replaces the one before in a running mesh.
    @Suite(
        .mesh {
            try Mesh(copying: ["services.yaml": "\(Mesh.examples)/mission/default/services.yaml"])
        }
    )
    struct MissionTests {
        /// Applies one manifest and waits until the client's sidecar has it, which `probe` tells.
        private func apply(_ name: String, in mesh: Mesh, probe: () throws -> Bool) async throws {
            let text = try String(contentsOfFile: "\(Mesh.examples)/mission/default/\(name).yaml", encoding: .utf8)
            try mesh.write(text, to: "current.yaml")
            do {
                try await eventually("\(name) in force", within: .seconds(20)) { try probe() ? true : nil }
            } catch {
                throw CommandFailure(description: "\(error)\n\(try mesh.martlet("status"))\n\(mesh.logs)")
            }
        }

        /// Status and version of the answer, as in `200 v1`, one line per request.
        private func ask(
            _ url: String,
            _ flags: [String] = [],
            in mesh: Mesh,
            deadline: Duration = .seconds(60)
        ) throws -> [String] {
            let result = try mesh.exec(
                "client",
                ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %header{x-service-version}\\n"] + flags + [url],
                deadline: deadline
            )
            return result.output.split(separator: "\n").map { String($0) }
        }

        @Test func aCanaryGetsItsShare() async throws {
            let mesh = try currentMesh()
            try await apply("canary", in: mesh) {
                let answers = try ask("http://api-service:8080/?[1-50]", in: mesh)
                return answers.count == 50 && answers.allSatisfy { $0.hasPrefix("200") } && answers.contains("200 v1")
                    && answers.filter { $0 == "200 v2" }.count < 20
            }
            try expectSplit(0.1, of: 2000) {
                let answers = try ask("http://api-service:8080/?[1-2000]", in: mesh)
                #expect(answers.count == 2000)
                #expect(answers.allSatisfy { $0 == "200 v1" || $0 == "200 v2" })
                return answers.filter { $0 == "200 v2" }.count
            }
        }

        @Test func aHeaderChoosesTheVersion() async throws {
            let mesh = try currentMesh()
            try await apply("header-routing", in: mesh) {
                try ask("http://api-service:8080/", ["-H", "x-user-type: beta"], in: mesh) == ["200 v2"]
                    && Set(try ask("http://api-service:8080/?[1-20]", in: mesh)) == ["200 v1"]
            }
            let beta = try ask("http://api-service:8080/?[1-100]", ["-H", "x-user-type: beta"], in: mesh)
            #expect(beta == Array(repeating: "200 v2", count: 100))
            let others = try ask("http://api-service:8080/?[1-100]", ["-H", "x-user-type: alpha"], in: mesh)
            #expect(others == Array(repeating: "200 v1", count: 100))
        }

        @Test func aPathIsRewritten() async throws {
            let mesh = try currentMesh()
            func path() throws -> String {
                try mesh.exec(
                    "client",
                    ["curl", "-s", "-H", "Host: api.example.com", "http://api-service/v1/users?page=2"]
                ).output
            }
            try await apply("url-rewriting", in: mesh) { try path().contains("\"path\":\"/api/users?page=2\"") }
            let other = try mesh.exec(
                "client",
                [
                    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: api.example.com",
                    "http://api-service/other",
                ]
            )
            #expect(other.output == "404", "no route matches another path")
        }

        @Test func failedTriesAreRepeatedAndSlowOnesGivenUp() async throws {
            let mesh = try currentMesh()
            func id() -> [String] { ["-H", "x-request-id: \(UUID().uuidString)"] }
            // Without the manifest a request is not tried again for a status: it takes the policy to heal three of them. The
            // attempts are counted in each pod, and may go to either: the header chooses none, so one failure is certain to heal.
            try await apply("retries-and-timeouts", in: mesh) {
                try ask("http://api-service:8080/?fail-first=1&error=500", id(), in: mesh).first?.hasPrefix("200")
                    == true
            }
            for _ in 0..<10 {
                let answer = try ask("http://api-service:8080/?fail-first=1&error=500", id(), in: mesh)
                #expect(answer.first?.hasPrefix("200") == true, "a 500 is retried: \(answer)")
                let reset = try ask("http://api-service:8080/?fail-first=1&error=reset", id(), in: mesh)
                #expect(reset.first?.hasPrefix("200") == true, "a reset is retried: \(reset)")
            }
            let always = try ask("http://api-service:8080/?status=500", in: mesh)
            #expect(always.first?.hasPrefix("500") == true, "retries end: \(always)")

            var start = ContinuousClock.now
            let stalled = try ask("http://api-service:8080/?fail-first=1&error=stall", id(), in: mesh)
            var took = ContinuousClock.now - start
            #expect(stalled.first?.hasPrefix("200") == true, "a stalled try is given up after 3 s: \(stalled)")
            #expect(took >= .seconds(2.9) && took < .seconds(9.5), "\(took)")

            start = .now
            let slow = try ask("http://api-service:8080/?latency=60s", in: mesh)
            took = ContinuousClock.now - start
            #expect(slow.first?.hasPrefix("504") == true, "\(slow)")
            #expect(took >= .seconds(9) && took < .seconds(13), "the timeout of the route is 10 s: \(took)")
        }
    }

    /// The handbook's manifests of the namespace production: gateway with TLS, subsets, mutual TLS.
    @Suite(
        .mesh {
            let mesh = try Mesh(copying: ["production": "\(Mesh.examples)/mission/production"])
            // This one opens port 8080 of api-service for plaintext; it has its own test.
            try? FileManager.default.removeItem(at: mesh.manifests.appending(path: "production/mutual-tls-port.yaml"))
            let secret = try run(["\(Mesh.examples)/mission/gateway-secret.sh"])
            try mesh.write(secret.output, to: "gateway-secret.yaml")
            return mesh
        }
    )
    struct MissionGatewayTests {
        static let host = "api.example.com"

        private func https(_ path: String, in mesh: Mesh) throws -> CommandResult {
            try run([
                "curl", "-sk", "--max-time", "10", "--resolve", "\(Self.host):\(mesh.gatewayTLSPort):127.0.0.1", "-w",
                "\n%{http_code}", "https://\(Self.host):\(mesh.gatewayTLSPort)\(path)",
            ])
        }

        @Test func theGatewayServesHTTPSWithTheCertificateOfTheSecret() async throws {
            let mesh = try currentMesh()
            do {
                try await eventually("200 over HTTPS") {
                    try https("/api/users", in: mesh).output.hasSuffix("\n200") ? true : nil
                }
            } catch {
                throw CommandFailure(description: "\(error)\n\(try https("/api/users", in: mesh))\n\(mesh.logs)")
            }
            let answer = try https("/api/users", in: mesh).output
            #expect(answer.contains("\"service\":\"api-service\""))
            #expect(answer.contains("\"path\":\"/api/users\""))
            #expect(answer.contains("\"x-forwarded-proto\":\"https\""))
            #expect(try https("/other", in: mesh).output.hasSuffix("\n404"))
        }

        @Test func plainHTTPIsRedirected() async throws {
            let mesh = try currentMesh()
            let answer = try await eventually("a redirect") {
                let answer = try mesh.get("/api/users?page=2", host: Self.host)
                return answer.status == 301 ? answer : nil
            }
            #expect(answer.headers["location"] == "https://api.example.com/api/users?page=2")
        }

        @Test func basicRoutingSendsAllToOneVersion() async throws {
            let mesh = try currentMesh()
            try await eventually("the first answer") {
                try https("/api/", in: mesh).output.hasSuffix("200") ? true : nil
            }
            // The VirtualService of the mesh does not bind at the gateway: both versions answer there.
            let inside = try mesh.exec(
                "production/client",
                [
                    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %header{x-service-version}\\n",
                    "http://api-service:8080/?[1-20]",
                ]
            )
            #expect(Set(inside.output.split(separator: "\n")) == ["200 v1"], "\(inside)")
        }
    }
}
