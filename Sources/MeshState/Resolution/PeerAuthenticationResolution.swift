import MeshAPI

extension MeshSnapshot {
    /// The mode of an inbound port (the pod's, not the Service's): port level, then workload, namespace and mesh. `UNSET`
    /// inherits from the level above; nothing at all is permissive. On one level the oldest policy counts.
    package func mutualTLS(of workload: MeshWorkload, port: Int) -> EffectiveMutualTLS {
        let own = peerAuthentication(selecting: workload)
        if let own, let portMode = own.portLevel.first(where: { $0.port == port }), portMode.mode != .unset {
            return EffectiveMutualTLS(mode: portMode.mode, origin: origin(of: own, at: portMode.location))
        }
        let levels = [
            own,
            namespaceWide(in: workload.namespace),
            workload.namespace == settings.rootNamespace ? nil : namespaceWide(in: settings.rootNamespace),
        ]
        for case let policy? in levels where policy.mode != .unset {
            return EffectiveMutualTLS(mode: policy.mode, origin: origin(of: policy, at: policy.modeLocation))
        }
        return EffectiveMutualTLS(mode: .permissive, origin: nil)
    }

    /// Ports of a workload whose mode is set on their own.
    package func portsWithOwnMode(of workload: MeshWorkload) -> [Int] {
        peerAuthentication(selecting: workload)?.portLevel.map(\.port).sorted() ?? []
    }

    /// A policy with a selector in the root namespace concerns that namespace's own pods only.
    private func peerAuthentication(selecting workload: MeshWorkload) -> PeerAuthentication? {
        peerAuthentications.first { policy in
            guard policy.metadata.namespace == workload.namespace, let selector = policy.selector, !selector.isEmpty
            else {
                return false
            }
            return workload.matches(selector)
        }
    }

    private func namespaceWide(in namespace: String) -> PeerAuthentication? {
        peerAuthentications.first { $0.metadata.namespace == namespace && ($0.selector ?? [:]).isEmpty }
    }

    private func origin(of policy: PeerAuthentication, at location: SourceLocation) -> Origin {
        Origin(.security("PeerAuthentication", policy.metadata), at: location)
    }
}
