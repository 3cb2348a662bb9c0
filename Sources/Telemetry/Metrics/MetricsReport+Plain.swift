extension MetricsReport {
    /// The lines of Envoy's `/stats`, `cluster.NAME.upstream_rq_total: 5`, sorted by name.
    ///
    /// - Parameter usedOnly: leaves out what is zero.
    package func plainText(usedOnly: Bool = false) -> String {
        var lines: [(name: String, value: UInt64)] = []
        collect(clusters, &lines)
        collect(http, &lines)
        collect(listeners, &lines)
        collect(tcp, &lines)
        collect(policies, &lines)
        if usedOnly { lines.removeAll { $0.value == 0 } }
        lines.sort { $0.name < $1.name }
        return lines.map { "\($0.name): \($0.value)\n" }.joined()
    }

    private func collect<Group: StatisticGroup>(
        _ scopes: ScopedStatistics<Group>, _ lines: inout [(name: String, value: UInt64)]
    ) {
        let family = Group.family.name
        let fields = Group.fields
        for (number, scope) in scopes.names.enumerated() {
            // A colon would end the name in a line: Envoy writes addresses with underscores.
            let prefix = "\(family).\(scope.utf8.contains(0x3A) ? Self.withoutColons(scope) : scope)."
            let group = scopes[number]
            for field in fields { lines.append((prefix + field.name, group[keyPath: field.path])) }
            guard let responses = Group.responses else { continue }
            let outcomes = group[keyPath: responses.path]
            for digit in 1..<6 {
                lines.append(("\(prefix)\(responses.prefix)_\(digit)xx", outcomes.classes[digit]))
            }
            lines.append(("\(prefix)\(responses.prefix)_completed", outcomes.time.count))
        }
    }

    private static func withoutColons(_ name: String) -> String {
        String(decoding: name.utf8.map { $0 == 0x3A ? 0x5F : $0 }, as: UTF8.self)
    }
}
