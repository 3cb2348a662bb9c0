/// Which resource, and which line of whose file, made each compiled thing. Compiled values carry an index into it.
package struct ProvenanceTable: Sendable {
    package private(set) var origins: [String] = []

    private var indices: [String: ProvenanceIndex] = [:]

    package init() {}

    /// Adds an origin such as `VirtualService default/reviews (reviews.yaml:12:5)` and returns its index.
    package mutating func intern(_ origin: String) -> ProvenanceIndex {
        if origin.isEmpty { return .max }
        if let known = indices[origin] { return known }
        let index = ProvenanceIndex(origins.count)
        origins.append(origin)
        indices[origin] = index
        return index
    }

    package subscript(index: ProvenanceIndex) -> String {
        Int(index) < origins.count ? origins[Int(index)] : ""
    }
}

/// Index into a snapshot's `ProvenanceTable`, the `index` of Routing's `Origin`; `.max` is unknown.
package typealias ProvenanceIndex = UInt32
