/// What names and labels may look like (RFC 1123, Kubernetes "Object Names and IDs" and "Labels and Selectors").
package enum NameRules {
    /// A DNS label, of either case as Istio takes it.
    package static func isLabel(_ name: some StringProtocol) -> Bool {
        let bytes = name.utf8
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.reversed().first else {
            return false
        }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    /// What is wrong with the name of a Kubernetes object, or nil.
    package static func faultOfResourceName(_ name: String) -> String? {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isSubdomain =
            name.utf8.count <= 253
            && labels.allSatisfy { label in
                label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") } && label.first != "-"
                    && label.last != "-" && !label.isEmpty && label.utf8.allSatisfy { !isUpper($0) }
            }
        return isSubdomain
            ? nil : "\"\(name)\" is not a valid name: lower case letters, digits, - and . , at most 253 of them"
    }

    static func checkLabels(_ labels: [String: String], key: String, _ reader: ObjectReader) {
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            if !isLabelKey(name) {
                reader.error(key, name.isEmpty ? "a label needs a name" : "\"\(name)\" is not a valid label name")
            }
            if !isLabelValue(value) {
                reader.error(
                    key,
                    "\"\(value)\" is not a valid label value: at most 63 letters, digits, - _ and . , beginning and ending"
                        + " with a letter or digit"
                )
            }
        }
    }

    /// `prefix/name` or `name`.
    package static func isLabelKey(_ key: String) -> Bool {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, parts.count <= 2, !name.isEmpty, isLabelValue(String(name)) else { return false }
        return parts.count == 1 || parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isLabel)
    }

    package static func isLabelValue(_ value: String) -> Bool {
        let bytes = Array(value.utf8)
        guard let first = bytes.first, let last = bytes.last else { return true }
        return bytes.count <= 63 && isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy {
                isAlphanumeric($0) || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains($0)
            }
    }

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || isUpper(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isUpper(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }
}
