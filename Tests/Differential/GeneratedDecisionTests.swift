import Foundation
import Testing
import Yams

/// Issue of trust: whatever request comes, RBAC of Envoy and of Martlet decide the same.
@Suite struct GeneratedDecisionTests {
    static let requestsPerScenario = 200

    @Test(arguments: ["rbac-allow", "rbac-deny"])
    func `Envoy and Martlet decide alike on generated requests`(name: String) async throws {
        let given = ProcessInfo.processInfo.environment["DIFFERENTIAL_SEED"].flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0..<1_000_000)
        print("decisions of \(name): DIFFERENTIAL_SEED=\(seed)")
        let exchanges = try Self.exchanges(seed: seed, listeners: Self.listeners[name] ?? ["listener"])
        let scenario = Scenario(name: name)
        await Gate.scenarios.enter()
        async let envoy = SideRun.run(.envoy, scenario, exchanges: exchanges)
        async let martlet = SideRun.run(.martlet, scenario, exchanges: exchanges)
        let runs: (SideRun, SideRun)
        do {
            runs = try await (envoy, martlet)
        } catch {
            await Gate.scenarios.leave()
            throw error
        }
        await Gate.scenarios.leave()
        var refused = 0
        for (index, exchange) in exchanges.enumerated() {
            let left = runs.0.observations[index]["response[0].line"]
            let right = runs.1.observations[index]["response[0].line"]
            #expect(left == right, "seed \(seed), request \(index): \(exchange.text)")
            if left?.contains("403") == true { refused += 1 }
        }
        // A generator that is always refused, or never, shows nothing.
        #expect(refused > 20 && refused < exchanges.count - 20)
    }

    private static let listeners = [
        "rbac-allow": ["listener"], "rbac-deny": ["listener", "listener", "listener", "nobody", "everybody", "shadow"],
    ]

    private static func exchanges(seed: UInt64, listeners: [String]) throws -> [Exchange] {
        var random = Generator(seed: seed)
        return try (0..<requestsPerScenario).map { number in
            var headers: [String] = []
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                headers.append(Self.headers.randomElement(using: &random) ?? "")
            }
            var path = ""
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                path += Self.segments.randomElement(using: &random) ?? ""
            }
            let fields: [String: Any] = [
                "name": "generated \(number)",
                "request": "\(Self.methods.randomElement(using: &random) ?? "GET") \(path)",
                "host": Self.hosts.randomElement(using: &random) ?? "a",
                "headers": headers,
                "listener": listeners.randomElement(using: &random) ?? "listener",
                "from": ["127.0.0.1", "127.0.0.2", "127.0.0.3"].randomElement(using: &random) ?? "127.0.0.1",
                "settle": 0,
            ]
            let json = String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
            guard let node = try Yams.compose(yaml: json) else { throw CaseError("no exchange: \(json)") }
            return try Exchange(node, number: number)
        }
    }

    private static let methods = ["GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]
    private static let segments = [
        "/public", "/public", "/or1", "/a", "/not", "/src2", "/remote", "/nested", "/r", "/abc", "/abd", "/dest",
        "/range", "/auth", "/by-id", "/ICase", "/icase", "/secret", "/secret", "/members", "/members", "/x.html",
        "/%73ecret", "/..", "/.", "//", "/%2fsecret", "/SECRET", "?a=/secret", "?x", "/secret;x", "/%2e%2e/secret",
    ]
    private static let hosts = ["test.example", "admin.example", "Admin.Example", "admin.example:80", "admin.example."]
    private static let headers = [
        "x-bad: 1", "x-user: a", "x-user: b", "x-user: c", "x-block: yes", "x-block: no", "x-worse: 1", "x-worse:",
        "x-member: 1", "X-Member: 2", "x-forwarded-for: 10.1.2.3", "x-forwarded-for: 11.1.2.3, 10.9.9.9",
        "x-other: 1", "x-user: a, b",
    ]
}
