/// Workloads and services by number, so that a request's metric key is a few integers.
///
/// Numbers are given out once and never taken back; each table is bounded. What comes when a table is full shares number
/// `overflow`. Interning may allocate: it happens when a snapshot arrives or a connection opens, not per request.
package struct LabelTable: Sendable {
    /// The number of labels that are not known: all shown as `unknown`.
    package static let unknown: Int32 = 0
    /// The number that those share for whom the table had no room.
    package static let overflow: Int32 = 1

    package private(set) var workloads = [WorkloadLabels(), WorkloadLabels(workload: "overflow")]
    package private(set) var services = [ServiceLabels(), ServiceLabels(host: "overflow", name: "overflow")]
    /// How often a table was full.
    package private(set) var refused: UInt64 = 0

    private let limit: Int
    private var workloadNumbers: [WorkloadLabels: Int32] = [WorkloadLabels(): LabelTable.unknown]
    private var serviceNumbers: [ServiceLabels: Int32] = [ServiceLabels(): LabelTable.unknown]
    private var peers: [[UInt8]: Int32] = [:]
    private var places: [LoggedAddress: Int32] = [:]

    /// - Parameter limit: the most workloads, services and peer names each.
    package init(limit: Int = 8192) { self.limit = max(2, limit) }

    /// The number of a workload.
    package mutating func number(of labels: WorkloadLabels) -> Int32 {
        if let known = workloadNumbers[labels] { return known }
        guard workloads.count < limit else {
            refused &+= 1
            return LabelTable.overflow
        }
        let number = Int32(workloads.count)
        workloads.append(labels)
        workloadNumbers[labels] = number
        return number
    }

    /// The number of a service.
    package mutating func number(of labels: ServiceLabels) -> Int32 {
        if let known = serviceNumbers[labels] { return known }
        guard services.count < limit else {
            refused &+= 1
            return LabelTable.overflow
        }
        let number = Int32(services.count)
        services.append(labels)
        serviceNumbers[labels] = number
        return number
    }

    /// The number of the workload behind an identity, `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`: all that is known
    /// of a peer that does not say more. `unknown` for an empty name.
    package mutating func number(ofPeer identity: [UInt8]) -> Int32 {
        if identity.isEmpty { return LabelTable.unknown }
        if let known = peers[identity] { return known }
        let text = String(decoding: identity, as: UTF8.self)
        var labels = WorkloadLabels()
        labels.principal = text
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 7, parts[0] == "spiffe:", parts[3] == "ns", parts[5] == "sa" {
            labels.namespace = String(parts[4])
        }
        let number = number(of: labels)
        if peers.count < limit { peers[identity] = number }
        return number
    }

    /// The number of the workload at an address that connects with an identity (empty is none).
    ///
    /// What a known endpoint at this address says of itself is believed when the identity does not contradict it.
    package mutating func number(ofPeer identity: [UInt8], at address: LoggedAddress) -> Int32 {
        let byIdentity = number(ofPeer: identity)
        guard let place = places[address.withoutPort] else { return byIdentity }
        if identity.isEmpty { return place }
        let proven = workloads[Int(byIdentity)]
        var labels = workloads[Int(place)]
        guard labels.namespace == proven.namespace else { return byIdentity }
        labels.principal = proven.principal
        return number(of: labels)
    }

    /// Remembers which workload an endpoint's address belongs to.
    package mutating func learn(_ address: LoggedAddress, _ workload: Int32) {
        guard workload != LabelTable.unknown, address.family == .ipv4 || address.family == .ipv6,
            places.count < limit
        else { return }
        places[address.withoutPort] = workload
    }

    /// Forgets all addresses: a new snapshot brings its own.
    package mutating func forgetAddresses() { places.removeAll(keepingCapacity: true) }
}
