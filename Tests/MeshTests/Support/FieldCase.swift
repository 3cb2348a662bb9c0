import Foundation
import Yams

/// One entry of `Fields/*.yaml`: manifests, requests through real proxies, and what must come of them.
struct FieldCase: Sendable, CustomStringConvertible {
    /// A request, made `times` times, and what all its answers must be like.
    struct Request: Sendable {
        /// A pod that asks, or `outside` for a client of the host at a gateway.
        var from: String
        /// For curl; `HOST` stands for a name of the case's own.
        var url: String
        /// A program of the case's own instead of curl; its output is judged.
        var command: [String]
        /// Further words for curl.
        var flags: [String]
        var times: Int
        /// Asks at the same time.
        var isParallel: Bool
        var expected: Expectation
    }

    struct Expectation: Sendable {
        /// `000` is no answer.
        var status: [String]
        /// In the text of head and body.
        var has: [String]
        var lacks: [String]
        /// Seconds of each answer.
        var took: ClosedRange<Double>?
        /// Share of the answers that hold a text, within four standard deviations; or of five times as many, within five.
        var shares: [String: Double]
        /// How many of the answers hold a text, or have a status.
        var counts: [String: ClosedRange<Int>]
        /// Number of different pods that answered.
        var pods: ClosedRange<Int>?
    }

    var topic: String
    var name: String
    /// Entries of the checklist (`fields.yaml`) that this case shows.
    var fields: [String]
    var manifests: String
    var requests: [Request]
    /// Parts of warnings about this case's manifests.
    var warnings: [String]

    var description: String { "\(topic): \(name)" }

    /// Every case of a file. A case without `manifests` may give `rules`, the `http` part of a VirtualService of its own host.
    static func read(_ file: String, topic: String) throws -> [FieldCase] {
        guard let root = try Yams.compose(yaml: String(contentsOfFile: file, encoding: .utf8)),
            let entries = root["cases"]?.sequence
        else { throw CommandFailure(description: "\(file): no list `cases`") }
        return try entries.enumerated().map { try FieldCase($1, number: $0 + 1, topic: topic) }
    }

    private init(_ node: Node, number: Int, topic: String) throws {
        self.topic = topic
        guard let name = node["name"]?.string else {
            throw CommandFailure(description: "\(topic): case \(number) has no name")
        }
        self.name = name
        let host = "c\(number).\(topic).test"
        fields = Self.texts(node["fields"])
        warnings = Self.texts(node["warnings"])
        var text = node["manifests"]?.string ?? ""
        if let rules = node["rules"]?.string {
            let indented = rules.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }
            text += """

                ---
                apiVersion: networking.istio.io/v1
                kind: VirtualService
                metadata: {name: c\(number)-\(topic), namespace: default}
                spec:
                  hosts: [\(host)]
                  http:
                \(indented.joined(separator: "\n"))

                """
        }
        manifests = text.replacing("HOST", with: host)
        let before = "\(topic): \(name)"
        requests = try (node["requests"]?.sequence ?? []).map {
            try Request($0, host: host, before: before)
        }
    }

    static func texts(_ node: Node?) -> [String] {
        if let list = node?.sequence { return list.compactMap(\.string) }
        return node?.string.map { [$0] } ?? []
    }
}

extension FieldCase.Request {
    fileprivate init(_ node: Node, host: String, before: String) throws {
        let known: Set = [
            "from", "url", "command", "flags", "times", "parallel", "status", "has", "lacks", "took", "shares",
            "counts", "pods",
            "via",
        ]
        for (key, _) in node.mapping ?? [:] where !known.contains(key.string ?? "") {
            throw CommandFailure(description: "\(before): a request has no \(key.string ?? "?")")
        }
        from = node["from"]?.string ?? "client"
        url = (node["url"]?.string ?? "/").replacing("HOST", with: host)
        if url.hasPrefix("/") { url = "http://\(host)\(url)" }
        // Names of cases are known to routes only: the connection goes to a service that has the port.
        let via = node["via"]?.string ?? (url.contains(host) && from != "outside" ? "echo:80" : "")
        command = FieldCase.texts(node["command"]).map { $0.replacing("HOST", with: host) }
        flags = FieldCase.texts(node["flags"]).map { $0.replacing("HOST", with: host) }
        if !via.isEmpty { flags += ["--connect-to", "::\(via)"] }
        times = node["times"]?.int ?? 1
        isParallel = node["parallel"]?.bool ?? false
        func range(_ node: Node?) -> ClosedRange<Int>? {
            if let list = node?.sequence?.compactMap(\.int), list.count == 2 { return list[0]...list[1] }
            return node?.int.map { $0...$0 }
        }
        var shares: [String: Double] = [:]
        for (key, value) in node["shares"]?.mapping ?? [:] { shares[key.string ?? ""] = value.float }
        var counts: [String: ClosedRange<Int>] = [:]
        for (key, value) in node["counts"]?.mapping ?? [:] { counts[key.string ?? ""] = range(value) }
        let seconds = node["took"]?.sequence?.compactMap(\.float) ?? []
        expected = FieldCase.Expectation(
            status: FieldCase.texts(node["status"]),
            has: FieldCase.texts(node["has"]).map { $0.replacing("HOST", with: host) },
            lacks: FieldCase.texts(node["lacks"]), took: seconds.count == 2 ? seconds[0]...seconds[1] : nil,
            shares: shares, counts: counts, pods: range(node["pods"])
        )
    }
}
