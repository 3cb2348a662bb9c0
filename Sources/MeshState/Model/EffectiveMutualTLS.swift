package import MeshAPI

/// The mutual TLS mode of a workload's inbound port, and the resource that set it (nil: the mesh's default, permissive).
package struct EffectiveMutualTLS: Sendable, Equatable {
    /// Never `unset`.
    package var mode: PeerAuthentication.Mode
    package var origin: Origin?
}
