/// `security.istio.io` PeerAuthentication: which mutual TLS a workload's inbound ports take.
package struct PeerAuthentication: Sendable, Equatable {
    package enum Mode: String, CaseIterable, Sendable {
        /// Inherit from the level above.
        case unset = "UNSET"
        case disable = "DISABLE"
        case permissive = "PERMISSIVE"
        case strict = "STRICT"
    }

    package struct PortMode: Sendable, Equatable {
        /// Port of the workload (a Service's targetPort), not of the Service.
        package var port: Int
        package var mode: Mode
        package var location: SourceLocation
    }

    package var metadata: ObjectMeta
    /// Labels of the workloads; nil means the whole namespace (or mesh, in the root namespace).
    package var selector: [String: String]?
    package var mode: Mode
    /// Place of the mode, or of the resource when it is not given.
    package var modeLocation: SourceLocation
    package var portLevel: [PortMode]
}
