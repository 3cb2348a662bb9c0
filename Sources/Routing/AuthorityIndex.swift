/// Which virtual host answers for an authority: exact name, else the longest `*suffix`, else the longest `prefix*`,
/// else `*` (envoy.config.route.v3.VirtualHost.domains). A wildcard stands for at least one character.
package struct AuthorityIndex: Sendable {
    private let exact: NameIndex
    private let suffixes: NameIndex
    private let suffixLengths: [Int]
    private let prefixes: NameIndex
    private let prefixLengths: [Int]
    private let fallback: UInt32
    private let ignoresPort: Bool

    package struct DuplicateDomain: Error, CustomStringConvertible {
        package var domain: String
        package var description: String { "domain \"\(domain)\" appears in two virtual hosts" }
    }

    package init(_ hosts: [(domains: [String], value: UInt32)], ignoresPort: Bool) throws(DuplicateDomain) {
        var exact: [(name: String, value: UInt32)] = []
        var suffixes: [(name: String, value: UInt32)] = []
        var prefixes: [(name: String, value: UInt32)] = []
        var fallback = UInt32.max
        for host in hosts {
            for domain in host.domains {
                if domain == "*" {
                    if fallback != .max { throw DuplicateDomain(domain: "*") }
                    fallback = host.value
                } else if domain.hasPrefix("*") {
                    suffixes.append((String(domain.dropFirst()), host.value))
                } else if domain.hasSuffix("*") {
                    prefixes.append((String(domain.dropLast()), host.value))
                } else {
                    exact.append((domain, host.value))
                }
            }
        }
        var duplicates: [String] = []
        self.exact = NameIndex(exact, duplicates: &duplicates)
        if let first = duplicates.first { throw DuplicateDomain(domain: first) }
        self.suffixes = NameIndex(suffixes, duplicates: &duplicates)
        if let first = duplicates.first { throw DuplicateDomain(domain: "*" + first) }
        self.prefixes = NameIndex(prefixes, duplicates: &duplicates)
        if let first = duplicates.first { throw DuplicateDomain(domain: first + "*") }
        suffixLengths = Set(suffixes.map { $0.name.utf8.count }).sorted(by: >)
        prefixLengths = Set(prefixes.map { $0.name.utf8.count }).sorted(by: >)
        self.fallback = fallback
        self.ignoresPort = ignoresPort
    }

    /// The value of the virtual host for `authority`, or `.max`.
    package func find(_ authority: borrowing Span<UInt8>) -> UInt32 {
        let length = ignoresPort ? Self.hostLength(authority) : authority.count
        let host = authority.extracting(0..<length)
        let hit = exact.find(host)
        if hit != .max { return hit }
        let suffixLengths = suffixLengths.span
        for index in suffixLengths.indices where suffixLengths[index] < length {
            let hit = suffixes.find(host.extracting((length - suffixLengths[index])..<length))
            if hit != .max { return hit }
        }
        let prefixLengths = prefixLengths.span
        for index in prefixLengths.indices where prefixLengths[index] < length {
            let hit = prefixes.find(host.extracting(0..<prefixLengths[index]))
            if hit != .max { return hit }
        }
        return fallback
    }

    /// How much of `authority` is the host: all of it without a `:port` that ends it.
    package static func hostLength(_ authority: borrowing Span<UInt8>) -> Int {
        var index = authority.count
        while index > 0 {
            index -= 1
            let byte = authority[index]
            if byte == 0x3A {
                // A second colon without brackets is a bare IPv6 address, which has no port.
                if index > 0, authority[index - 1] != 0x5D, authority[0] != 0x5B {
                    for earlier in 0..<index where authority[earlier] == 0x3A { return authority.count }
                }
                return index
            }
            if byte &- 0x30 > 9 { return authority.count }
        }
        return authority.count
    }
}
