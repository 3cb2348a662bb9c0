/// Which resource made a compiled thing: an index into the snapshot's provenance table. Carrying it costs four bytes.
package struct Origin: Hashable, Sendable {
    package var index: UInt32

    package init(index: UInt32) { self.index = index }

    /// Nobody's: made by the proxy itself.
    package static var none: Origin { Origin(index: .max) }
}

/// A cluster by number. Numbers are given out by the snapshot's compiler and stay with a name from one snapshot to the
/// next, so that an unchanged route table keeps its meaning; a number without a cluster behind it is an unknown cluster.
package struct ClusterID: Hashable, Sendable {
    package var index: UInt32

    package init(index: UInt32) { self.index = index }

    package static var none: ClusterID { ClusterID(index: .max) }
}
