/// Prometheus's text format 0.0.4: families in turn, each with its samples.
package struct PrometheusPage {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package private(set) var bytes: [UInt8] = []
    private var name = ""

    package init() {}

    /// Begins a family. Characters that names may not have become underscores.
    package mutating func family(_ name: String, _ kind: Kind) {
        self.name = String(
            name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
        append("# TYPE \(self.name) \(kind.rawValue)\n")
    }

    package mutating func sample(_ labels: [(String, String)], suffix: String = "", _ value: Double) {
        append(name + suffix)
        if !labels.isEmpty {
            append("{" + labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",") + "}")
        }
        append(" \(Self.text(value))\n")
    }

    /// A histogram's samples.
    /// - Parameter counts: one per bound, not cumulative, and one more for everything above.
    package mutating func histogram(_ labels: [(String, String)], bounds: [Double], counts: [UInt64], sum: Double) {
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total &+= count
            let bound = index < bounds.count ? Self.text(bounds[index]) : "+Inf"
            sample(labels + [("le", bound)], suffix: "_bucket", Double(total))
        }
        sample(labels, suffix: "_sum", sum)
        sample(labels, suffix: "_count", Double(total))
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") || $0 == 10 }) else {
            return text
        }
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
