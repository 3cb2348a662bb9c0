package import MeshState

/// Who called whom, over mutual TLS or in the clear, from the access logs of a running mesh: what making mutual TLS
/// `STRICT` would break is the second kind, by name.
package struct MutualTLSReport: Sendable {
    package struct Row: Sendable, Hashable {
        /// `NAMESPACE/WORKLOAD` that was called.
        package var destination: String
        package var port: Int
        /// The caller's workload, or its address when it is no pod of the mesh.
        package var caller: String
        package var isSecure: Bool
    }

    /// How many calls of each kind.
    package private(set) var calls: [Row: Int] = [:]
    /// Lines that are no access log in Istio's default format: the calls of another format cannot be told.
    package private(set) var unreadable = 0
    /// Logs that could not be read, or not to their end: what is in them is not in the report.
    package private(set) var unreadFiles: [String] = []
    private let names: [String: String]

    package init(pods: [MeshWorkload]) {
        names = Dictionary(pods.map { ($0.ip, "\($0.namespace)/\($0.workload)") }) { first, _ in first }
    }

    /// Reads the access log of `destination`, whatever clients made it hold.
    package mutating func read(file: String, destination: String) {
        do {
            var reader = try FileLines(path: file)
            while let line = try reader.next() {
                switch line {
                case .text(let text): read(line: text[...], destination: destination)
                case .tooLong: unreadable += 1
                }
            }
        } catch {
            unreadFiles.append("\(error)")
        }
    }

    /// Says that there is no log of a pod to read.
    package mutating func miss(_ pod: String, _ reason: String) { unreadFiles.append("\(pod): \(reason)") }

    /// Reads one line of the access log of `destination`, in Istio's default format; others are counted.
    package mutating func read(line: Substring, destination: String) {
        // Behind the last quoted field: cluster, local address of the upstream, then what the client called and who it is.
        guard let quote = line.lastIndex(of: "\""), line.hasPrefix("[") else {
            if !line.isEmpty { unreadable += 1 }
            return
        }
        let fields = line[line.index(after: quote)...].split(separator: " ")
        guard fields.count >= 5 else {
            unreadable += 1
            return
        }
        guard fields[0].hasPrefix("inbound|") || fields[0] == "InboundPassthroughCluster" else { return }
        guard let port = Self.address(fields[2])?.port, let peer = Self.address(fields[3])?.host else {
            unreadable += 1
            return
        }
        // The proxies of the mesh name in their handshake what they call; nobody else does.
        let isSecure = fields[4].hasPrefix("outbound_.")
        let row = Row(destination: destination, port: port, caller: names[peer] ?? peer, isSecure: isSecure)
        calls[row, default: 0] += 1
    }

    private static func address(_ text: Substring) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return nil }
        return (text[..<colon].filter { $0 != "[" && $0 != "]" }, port)
    }

    /// A table, and below it what would break.
    package func lines() -> [String] {
        var doubts: [String] = []
        if unreadable > 0 {
            doubts = [
                "",
                "\(unreadable) lines of access logs could not be read: the report wants Istio's default text format "
                    + "(accessLogEncoding TEXT, no accessLogFormat). Do not go by it before it can read all.",
            ]
        }
        if !unreadFiles.isEmpty {
            doubts += ["", "Access logs could not be read: do not go by the report before it can read all."]
            doubts += unreadFiles.map { "  \($0)" }
        }
        guard !calls.isEmpty else {
            return ["no calls in the access logs: none were made, or accessLogFile is off"] + doubts
        }
        var rows = [["WORKLOAD", "PORT", "CALLER", "MUTUAL TLS", "PLAINTEXT"]]
        let pairs = Dictionary(grouping: calls.keys) { "\($0.destination) \($0.port) \($0.caller)" }
        for key in pairs.keys.sorted() {
            guard let group = pairs[key], let any = group.first else { continue }
            let count = { (secure: Bool) in group.filter { $0.isSecure == secure }.reduce(0) { $0 + (calls[$1] ?? 0) } }
            rows.append([any.destination, "\(any.port)", any.caller, "\(count(true))", "\(count(false))"])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var result = rows.map { row in
            row.enumerated().map { index, text in text + String(repeating: " ", count: widths[index] - text.count) }
                .joined(separator: "  ").trimmed
        }
        let broken = Set(calls.keys.filter { !$0.isSecure }).sorted {
            ($0.destination, $0.port, $0.caller) < ($1.destination, $1.port, $1.caller)
        }
        result.append("")
        if broken.isEmpty, !doubts.isEmpty {
            result.append("STRICT breaks nothing of what could be read: every caller seen there uses mutual TLS")
        } else if broken.isEmpty {
            result.append("STRICT breaks nothing of what was seen: every caller uses mutual TLS")
        } else {
            result.append("STRICT would break:")
            for row in broken {
                result.append(
                    "  \(row.caller) calls \(row.destination) port \(row.port) in plaintext (\(calls[row] ?? 0) calls)")
            }
        }
        return result + doubts
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
