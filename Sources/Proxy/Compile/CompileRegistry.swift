import Authorization
import Routing
import XDS

/// What compiled parts refer to by number. Numbers are given out once and keep their meaning from one snapshot to the
/// next, so that parts which did not change need not be compiled again.
struct CompileRegistry {
    private(set) var clusterNames: [String] = []
    private var clusterNumbers: [String: UInt32] = [:]
    private(set) var routeTableNames: [String] = []
    private var routeTableNumbers: [String: Int] = [:]
    private(set) var tlsSpecs: [TLSSpec] = []
    private var tlsNumbers: [TLSSpec: Int] = [:]
    var provenance = ProvenanceTable()
    /// What routes ask of endpoints' metadata.
    private(set) var criteria: [[String: String]] = []
    /// What routes ask of what filters found out about a request: all parts of one must hold.
    private(set) var conditions: [[MetadataCondition]] = []
    private var conditionNumbers: [[MetadataMatchSpec]: UInt32] = [:]

    /// The number of a cluster name, whether or not the cluster exists (yet).
    mutating func cluster(_ name: String) -> ClusterID {
        if let known = clusterNumbers[name] { return ClusterID(index: known) }
        let number = UInt32(clusterNames.count)
        clusterNames.append(name)
        clusterNumbers[name] = number
        return ClusterID(index: number)
    }

    /// The number of a route table: its RDS name, or a name made for an inline table.
    mutating func routeTable(_ name: String) -> Int {
        if let known = routeTableNumbers[name] { return known }
        routeTableNames.append(name)
        routeTableNumbers[name] = routeTableNames.count - 1
        return routeTableNames.count - 1
    }

    mutating func criteria(_ match: [String: String]) -> UInt32 {
        if let known = criteria.firstIndex(of: match) { return UInt32(known) }
        criteria.append(match)
        return UInt32(criteria.count - 1)
    }

    mutating func condition(_ parts: [MetadataMatchSpec]) throws(AuthorizationError) -> UInt32 {
        if let known = conditionNumbers[parts] { return known }
        var compiled: [MetadataCondition] = []
        for part in parts { compiled.append(try MetadataCondition(part)) }
        conditions.append(compiled)
        conditionNumbers[parts] = UInt32(conditions.count - 1)
        return UInt32(conditions.count - 1)
    }

    /// The number of a TLS context. One that cannot be made is an issue when it is first met, not when traffic comes.
    mutating func tls(_ spec: TLSSpec, path: String, issues: inout [CompileIssue]) -> Int {
        if let known = tlsNumbers[spec] { return known }
        do throws(TLSSpecError) {
            try spec.check()
        } catch {
            issues.append(CompileIssue(path: path + ".common_tls_context", message: error.reason))
        }
        tlsSpecs.append(spec)
        tlsNumbers[spec] = tlsSpecs.count - 1
        return tlsSpecs.count - 1
    }
}
