/// Writes Prometheus' text exposition format 0.0.4: families one after the other, each with its HELP and TYPE.
package struct PrometheusText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package private(set) var bytes: [UInt8] = []

    package init() { bytes.reserveCapacity(64 * 1024) }

    /// Begins a family; its samples follow.
    package mutating func family(_ name: String, _ kind: Kind, help: String) {
        append("# HELP \(name) ")
        for byte in help.utf8 {
            switch byte {
            case 0x5C: append("\\\\")
            case 0x0A: append("\\n")
            default: bytes.append(byte)
            }
        }
        append("\n# TYPE \(name) \(kind.rawValue)\n")
    }

    /// One sample. `labels` is text made by `PrometheusText.labels`.
    package mutating func sample(_ name: String, labels: String, _ value: UInt64) {
        begin(name, labels)
        append(" \(value)\n")
    }

    /// The samples of a histogram.
    package mutating func histogram(_ name: String, labels: String, _ histogram: borrowing Histogram) {
        var cumulated: UInt64 = 0
        for index in histogram.counts.indices {
            cumulated &+= histogram.counts[index]
            let bound = index < Histogram.bounds.count ? Histogram.bounds[index] : "+Inf"
            begin(name + "_bucket", labels.isEmpty ? "le=\"\(bound)\"" : labels + ",le=\"\(bound)\"")
            append(" \(cumulated)\n")
        }
        begin(name + "_sum", labels)
        append(" \(Self.decimal(thousandths: histogram.sumThousandths))\n")
        begin(name + "_count", labels)
        append(" \(cumulated)\n")
    }

    /// `name="value",…` with values escaped.
    package static func labels(_ pairs: [(name: String, value: String)]) -> String {
        var text = ""
        for (name, value) in pairs {
            if !text.isEmpty { text += "," }
            text += name
            text += "=\""
            if value.utf8.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x0A }) {
                for scalar in value.unicodeScalars {
                    switch scalar {
                    case "\"": text += "\\\""
                    case "\\": text += "\\\\"
                    case "\n": text += "\\n"
                    default: text.unicodeScalars.append(scalar)
                    }
                }
            } else {
                text += value
            }
            text += "\""
        }
        return text
    }

    /// A metric name of Envoy's dotted form: what Prometheus does not allow becomes `_`.
    package static func name(_ dotted: String) -> String {
        String(decoding: dotted.utf8.map { Self.isNameByte($0) ? $0 : 0x5F }, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte | 0x20 &- 0x61 < 26 || byte &- 0x30 <= 9 || byte == 0x5F || byte == 0x3A
    }

    private static func decimal(thousandths: UInt64) -> String {
        let rest = thousandths % 1000
        if rest == 0 { return "\(thousandths / 1000)" }
        var digits = "\(1000 + rest)".dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(thousandths / 1000).\(digits)"
    }

    private mutating func begin(_ name: String, _ labels: String) {
        append(name)
        if !labels.isEmpty { append("{\(labels)}") }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
