import Foundation
import Testing
import Yams

/// Whatever tokens a request brings, and wherever: jwt_authn of Envoy and of Martlet answer the same, and let the same
/// headers through. What Martlet refuses beyond Envoy is in `differences.yaml`, under `generated-tokens`, by what is odd.
@Suite struct GeneratedTokenTests {
    static let requestCount = 500

    @Test func `Envoy and Martlet believe the same tokens`() async throws {
        let given = ProcessInfo.processInfo.environment["DIFFERENTIAL_SEED"].flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0..<1_000_000)
        print("tokens: DIFFERENTIAL_SEED=\(seed)")
        let exchanges = try Self.exchanges(seed: seed)
        let runs = try await Self.runs(exchanges)
        let meant = try Differences.shared.get()
        var statuses: [Int: Int] = [:]
        for (number, exchange) in exchanges.enumerated() {
            let (envoy, martlet) = (
                Self.compared(runs.0.observations[number]), Self.compared(runs.1.observations[number])
            )
            let status = (Self.status(envoy), Self.status(martlet))
            statuses[status.0, default: 0] += 1
            for place in Set(envoy.keys).union(martlet.keys).sorted() where envoy[place] != martlet[place] {
                let difference = Difference(
                    scenario: "generated-tokens", exchange: exchange.name, place: place, envoy: envoy[place],
                    martlet: martlet[place])
                // Beside what a believed token brings along only refusals may be meant: what Envoy refuses does not pass.
                let isStricter = status.0 == status.1 || [401, 403].contains(status.1) || status.0 >= 500
                if meant.permits(difference), isStricter { continue }
                Issue.record("seed \(seed): \(difference)\n\(exchange.text)")
            }
        }
        print("tokens: Envoy's answers \(statuses.sorted { $0.key < $1.key }.map { "\($0): \($1)" })")
        // A generator that is always refused, or never, shows nothing.
        #expect(statuses[200, default: 0] > 100 && statuses[401, default: 0] > 100 && statuses[403, default: 0] > 2)
    }

    private static func runs(_ exchanges: [Exchange]) async throws -> (SideRun, SideRun) {
        let scenario = Scenario(name: "tokens")
        await Gate.scenarios.enter()
        async let envoy = SideRun.run(.envoy, scenario, exchanges: exchanges)
        async let martlet = SideRun.run(.martlet, scenario, exchanges: exchanges)
        do {
            let runs = try await (envoy, martlet)
            await Gate.scenarios.leave()
            return runs
        } catch {
            await Gate.scenarios.leave()
            throw error
        }
    }

    /// What must agree. Names of fields have no case; the challenge of Envoy repeats the query of the request, and with it
    /// the refused token, which Martlet leaves out of answers.
    private static func compared(_ facts: [String: String]) -> [String: String] {
        var result: [String: String] = [:]
        for (place, value) in facts {
            if place.hasPrefix("log"), place != "log[0].code", place != "log[0].details" { continue }
            let key = place.lowercased()
            var value = value
            if key.hasSuffix(".www-authenticate") { value = value.replacing(#/\?[^"]*"/#, with: "\"") }
            result[key] = result[key].map { [$0, value].sorted().joined(separator: " | ") } ?? value
        }
        return result
    }

    private static func status(_ facts: [String: String]) -> Int {
        let words = facts["response[0].line"]?.split(separator: " ") ?? []
        return words.count > 1 ? Int(words[1]) ?? 0 : 0
    }

    // MARK: Requests

    private static let rules = [
        "/one", "/one", "/one", "/places", "/places", "/aud", "/both", "/other", "/anyone", "/time", "/time",
        "/any-missing", "/any-failed", "/any", "/any", "/all", "/nested", "/missing", "/missing", "/failed", "/mesh",
        "/mesh",
        "/named", "/open",
    ]

    private static func exchanges(seed: UInt64) throws -> [Exchange] {
        var generator = TokenGenerator(seed: seed, ring: try KeyRing.shared.get())
        return try (0..<requestCount).map { number in
            let rule = generator.pick(rules)
            var headers: [String] = []
            var query: [String] = []
            var tags: [String] = []
            // Most requests bring one token; some two, which need not agree, or none.
            for _ in 0..<generator.pick([1, 1, 1, 1, 1, 1, 2, 2, 0]) {
                let isOther = rule == "/other" || rule == "/named" ? !generator.chance(8) : generator.chance(5)
                let token = try generator.token(other: isOther)
                tags += generator.tags
                place(token, rule, &generator, &headers, &query, &tags)
            }
            if generator.chance(6) {
                headers.append(generator.pick(["x-payload: forged", "X-Role: admin", "x-places: forged", "x-deep: 1"]))
            }
            if generator.chance(6) { query.append(generator.pick(["a=b", "access_tokens=x", "x", ""])) }
            query.shuffle(using: &generator.random)
            let fields: [String: Any] = [
                "name": "\(number), \(rule): \(tags.joined(separator: ", "))",
                "request": "\(generator.pick(["GET", "GET", "GET", "HEAD", "DELETE"])) "
                    + rule + generator.pick(["", "/x", "/%41"])
                    + (query.isEmpty ? "" : "?" + query.joined(separator: "&")),
                "host": generator.pick(["test.example", "Test.example:80"]),
                "headers": headers, "settle": 0,
                "listener": ["/missing", "/failed"].contains(rule) ? "fewer" : "listener",
            ]
            let json = String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
            guard let node = try Yams.compose(yaml: json) else { throw CaseError("no exchange: \(json)") }
            return try Exchange(node, number: number)
        }
    }

    private static func place(
        _ token: String, _ rule: String, _ generator: inout TokenGenerator, _ headers: inout [String],
        _ query: inout [String], _ tags: inout [String]
    ) {
        let usual = [
            "authorization: Bearer \(token)", "authorization: Bearer \(token)", "Authorization: Bearer  \(token)",
            "?access_token=\(token)",
        ]
        let own = [
            "x-jwt: Token \(token)", "X-JWT: Token \(token)", "x-bare: \(token)", "?t=\(token)", "cookie: c=\(token)",
            "cookie: a=b; c=\(token); d=e", "cookie: c=\"\(token)\"",
        ]
        let odd = [
            "authorization: bearer \(token)", "authorization: \(token)", "authorization: Basic \(token)",
            "authorization: Bearer \(token),", "authorization: Bearer \(token) x", "authorization: Bearer,\(token)",
            "authorization: x Bearer \(token)", "?xaccess_token=\(token)", "?Access_Token=\(token)",
            "?access_token=\(token.replacingOccurrences(of: ".", with: "%2E"))", "x-jwt: \(token)", "?c=\(token)",
            "cookie: xc=\(token)", "cookie: c=; c=\(token)",
        ]
        let kinds: [[String]] =
            switch rule {
            case "/places": [own, own, own, own, usual, odd]
            case "/all", "/nested": [usual, own, own, odd]
            default: [usual, usual, usual, usual, usual, odd, own]
            }
        let chosen = generator.pick(generator.pick(kinds))
        if chosen.hasSuffix(",") || chosen.hasSuffix(" x") { tags.append("[more behind the token]") }
        // Envoy joins fields of one name and looks at the first token; Martlet at each (`AuthenticatorTests`).
        let name = chosen.prefix { $0 != ":" && $0 != "=" }.lowercased()
        guard !(headers + query.map { "?" + $0 }).contains(where: { $0.lowercased().hasPrefix(name) }) else { return }
        if chosen.hasPrefix("?") { query.append(String(chosen.dropFirst())) } else { headers.append(chosen) }
    }
}
