/// Which localities get traffic: shares (`distribute`) or an order of preference (`failover`, `failoverPriority`).
package struct LocalityLoadBalancing: ObjectDecodable {
    package struct Distribute: ObjectDecodable {
        package var location: SourceLocation
        package var from: String
        package var to: [String: Int]

        package init(_ reader: ObjectReader) {
            location = reader.location
            from = reader.requiredString("from")
            var shares: [String: Int] = [:]
            for (name, path, node) in reader.members("to") {
                shares[name] = reader.int(node, path, in: 1...100)
            }
            to = shares
            let total = shares.values.reduce(0, +)
            if total != 100 { reader.error("to", "the weights must add up to 100, found \(total)") }
        }
    }

    package struct Failover: ObjectDecodable {
        package var location: SourceLocation
        package var from: String
        package var to: String

        package init(_ reader: ObjectReader) {
            location = reader.location
            from = reader.requiredString("from")
            to = reader.requiredString("to")
            if from == to, !from.isEmpty { reader.error("to", "failover must go to another region than \"\(from)\"") }
        }
    }

    package var location: SourceLocation
    package var enabled: Bool?
    package var distribute: [Distribute]
    package var failover: [Failover]
    package var failoverPriority: [String]

    package init(_ reader: ObjectReader) {
        location = reader.location
        enabled = reader.bool("enabled")
        distribute = reader.objects("distribute")
        failover = reader.objects("failover")
        failoverPriority = reader.strings("failoverPriority")
        if !distribute.isEmpty, !failover.isEmpty || !failoverPriority.isEmpty {
            reader.error("distribute", "cannot be used together with failover or failoverPriority")
        }
    }
}
