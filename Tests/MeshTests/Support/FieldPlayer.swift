import Foundation

/// Asks all requests of many cases with few programs: one curl for each pod that asks.
struct FieldPlayer {
    /// What curl saw of one request.
    struct Answer {
        var status: String
        var seconds: Double
        /// Head and body.
        var text: String

        /// Three digits are the status of an answer to a request, whose body may hold them by chance. What a command wrote,
        /// whose status is a small number, is text.
        func holds(_ part: String) -> Bool {
            let isStatus = part.utf8.count == 3 && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
            return isStatus && status.utf8.count == 3 ? status == part : status == part || text.contains(part)
        }

        /// Who answered, as the example service says.
        var pod: String? {
            guard let start = text.range(of: "\"instance\":\"") else { return nil }
            return String(text[start.upperBound...].prefix { $0 != "\"" })
        }
    }

    let mesh: Mesh
    /// Of the pods, by name.
    private let addresses: [String: String]

    init(mesh: Mesh) throws {
        struct List: Decodable {
            struct Workload: Decodable {
                var name: String
                var ip: String
            }
            var workloads: [Workload]
        }
        self.mesh = mesh
        let data = try Data(contentsOf: mesh.stateFolder.appending(path: "workloads.json"))
        let list = try JSONDecoder().decode(List.self, from: data)
        addresses = Dictionary(list.workloads.map { ($0.name, $0.ip) }) { first, _ in first }
    }

    /// What is wrong, each with the case's name.
    func play(_ cases: [FieldCase]) throws -> [String] {
        var plans: [String: [(test: FieldCase, request: FieldCase.Request)]] = [:]
        var commands: [(test: FieldCase, request: FieldCase.Request)] = []
        var problems: [String] = []
        for test in cases {
            for request in test.requests {
                guard request.command.isEmpty else {
                    commands.append((test, request))
                    continue
                }
                guard request.isParallel else {
                    plans[request.from, default: []].append((test, request))
                    continue
                }
                let answers = try ask([request], from: request.from, isParallel: true)
                problems += try judge(answers, request).map { "\(test): \($0)" }
            }
        }
        for (from, plan) in plans.sorted(by: { $0.key < $1.key }) {
            let answers = try ask(plan.map(\.request), from: from, isParallel: false)
            var place = 0
            for (test, request) in plan {
                let own = answers[min(place, answers.count)..<min(place + request.times, answers.count)]
                place += request.times
                problems += try judge(Array(own), request).map { "\(test): \(request.url): \($0)" }
            }
        }
        // Last: they look for traces of the requests.
        for (test, request) in commands {
            let result = try mesh.exec(request.from, request.command.map { try filledIn($0) })
            let answer = Answer(status: "\(result.status)", seconds: 0, text: result.output + result.errors)
            problems += try judge([answer], request).map { "\(test): \(request.command): \($0)" }
        }
        return problems
    }

    /// Texts of cases with the places of this mesh in them: `GATEWAY` and `GATEWAYTLS` are the ingress gateway's ports 80 and
    /// 443 on the host, `POD-NAME` is a pod's address, `CERTIFICATES` is the folder of the certificates; and see `FieldTokens`.
    func filledIn(_ text: String) throws -> String {
        var result = try FieldTokens.filledIn(text).replacing("GATEWAYTLS", with: "127.0.0.1:\(mesh.gatewayTLSPort)")
            .replacing("GATEWAY", with: "127.0.0.1:\(mesh.gatewayPort)")
            .replacing("CERTIFICATES", with: mesh.certificates?.path ?? "")
        result = try FieldCertificates.filledIn(result, from: mesh.certificates)
        for (name, address) in addresses { result = result.replacing("POD-\(name)", with: address) }
        return result
    }

    private func ask(_ requests: [FieldCase.Request], from: String, isParallel: Bool) throws -> [Answer] {
        let mark = "@@answer"
        var words = ["curl"]
        if isParallel { words += ["-Z", "--parallel-immediate", "--parallel-max", "100"] }
        var isFirst = true
        for request in requests {
            for _ in 0..<request.times {
                if !isFirst { words.append("--next") }
                isFirst = false
                words += ["-s", "--max-time", "20", "-w", "\\n\(mark) %{http_code} %{time_total}\\n"]
                words += isParallel ? ["-o", "/dev/null"] : ["-i"]
                words += try (request.flags + [request.url]).map { try filledIn($0) }
            }
        }
        let result = from == "outside" ? try run(words) : try mesh.exec(from, words, deadline: .seconds(90))
        var answers: [Answer] = []
        var text = ""
        for line in result.output.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix(mark) else {
                text += line + "\n"
                continue
            }
            let parts = line.split(separator: " ")
            answers.append(
                Answer(
                    status: parts.count > 1 ? String(parts[1]) : "",
                    seconds: parts.count > 2 ? Double(parts[2]) ?? 0 : 0,
                    text: text.replacing("\r", with: "")
                )
            )
            text = ""
        }
        return answers
    }

    private func judge(_ answers: [Answer], _ request: FieldCase.Request) throws -> [String] {
        let expected = request.expected
        var found: [String] = []
        if answers.count != request.times { found.append("\(answers.count) answers to \(request.times) requests") }
        for answer in answers {
            let shown = "in \(answer.status) after \(answer.seconds) s: \(answer.text.prefix(900))"
            if !expected.status.isEmpty, !expected.status.contains(answer.status) {
                found.append("status \(answer.status), not \(expected.status.joined(separator: " or ")); \(shown)")
            }
            for part in expected.has where !answer.holds(part) { found.append("no `\(part)` \(shown)") }
            for part in expected.lacks where answer.holds(part) { found.append("`\(part)` is \(shown)") }
            if let took = expected.took, !took.contains(answer.seconds) { found.append("not within \(took) \(shown)") }
        }
        if !missedShares(answers, expected, deviations: 4).isEmpty {
            // One sample in 16,000 is that far off when nothing is wrong, and there are many samples in many runs: a new and
            // larger one decides. Shares that are wrong are wrong in it too.
            var again = request
            again.times = 5 * request.times
            let more = try ask([again], from: request.from, isParallel: request.isParallel)
            if more.count != again.times { found.append("\(more.count) answers to \(again.times) requests") }
            found += missedShares(more, expected, deviations: 5)
        }
        for (part, range) in expected.counts {
            let hits = answers.count { $0.holds(part) }
            if !range.contains(hits) {
                found.append("`\(part)` in \(hits) answers, not \(range): \(answers.map(\.status))")
            }
        }
        if let pods = expected.pods {
            let seen = Set(answers.compactMap(\.pod))
            if !pods.contains(seen.count) { found.append("answers of \(seen.sorted()), not of \(pods) pods") }
        }
        // One wrong answer of a hundred says as much as all of them.
        return Array(found.prefix(3))
    }

    private func missedShares(
        _ answers: [Answer], _ expected: FieldCase.Expectation, deviations: Double
    ) -> [String] {
        let total = Double(answers.count)
        return expected.shares.compactMap { part, share in
            let hits = Double(answers.count { $0.holds(part) })
            let deviation = (total * share * (1 - share)).squareRoot()
            guard abs(hits - share * total) > deviations * deviation else { return nil }
            return "`\(part)` in \(hits) of \(total), not \(share)"
        }
    }
}
