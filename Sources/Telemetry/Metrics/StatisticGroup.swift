/// Counters and gauges that belong to one cluster, listener, connection manager or TCP proxy.
///
/// The engine changes the stored properties by name; scrapes read them through `fields`.
package protocol StatisticGroup: Sendable {
    init()
    /// Envoy's names of what these statistics are about.
    static var family: StatisticFamily { get }
    static var fields: [StatisticField<Self>] { get }
    /// Responses by status class with their times, for groups that have them: the prefix of their names, and where.
    static var responses: (prefix: String, path: WritableKeyPath<Self, ResponseStatistics>)? { get }
}

/// How Envoy names a group: `cluster.NAME.FIELD` in plain text, `envoy_cluster_FIELD{envoy_cluster_name="NAME"}` in
/// Prometheus' text.
package struct StatisticFamily: Sendable {
    package let name: String
    package let label: String
}

package struct StatisticField<Group> {
    package enum Kind: Sendable { case counter, gauge }

    package let name: String
    package let kind: Kind
    package let path: WritableKeyPath<Group, UInt64>
    package let help: String

    init(_ name: String, _ kind: Kind, _ path: WritableKeyPath<Group, UInt64>, _ help: String) {
        self.name = name
        self.kind = kind
        self.path = path
        self.help = help
    }
}

/// Responses by status class, and how long they took.
package struct ResponseStatistics: Sendable {
    /// By the first digit of the status; 0 holds what has none.
    package private(set) var classes: InlineArray<6, UInt64> = InlineArray(repeating: 0)
    /// Milliseconds.
    package private(set) var time = Histogram()

    package init() {}

    /// Counts a response.
    @inline(__always)
    package mutating func record(status: UInt16, microseconds: UInt64) {
        classes[status < 600 ? Int(status / 100) : 0] &+= 1
        time.record(thousandths: microseconds)
    }

    package mutating func add(_ other: borrowing ResponseStatistics) {
        for index in classes.indices { classes[index] &+= other.classes[index] }
        time.add(other.time)
    }
}

extension StatisticGroup {
    package static var responses: (prefix: String, path: WritableKeyPath<Self, ResponseStatistics>)? { nil }

    /// Adds another worker's share.
    package mutating func add(_ other: Self) {
        for field in Self.fields { self[keyPath: field.path] &+= other[keyPath: field.path] }
        if let responses = Self.responses { self[keyPath: responses.path].add(other[keyPath: responses.path]) }
    }
}
