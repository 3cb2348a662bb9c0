package import MeshAPI

/// How a sidecar's connections leave for the endpoints of a service.
package enum ClientTransport: Sendable, Equatable {
    case plaintext
    /// The mesh's mutual TLS: the caller proves its identity.
    case mesh
    /// TLS of a DestinationRule's own (SIMPLE, MUTUAL): no identity of the mesh is proven by it.
    case originated
    /// Nothing is said: the mesh's mutual TLS to whoever takes it.
    case automatic

    /// - Parameter isOutside: nobody speaks the mesh's TLS there.
    package init(_ tls: ClientTLSSettings?, isOutside: Bool) {
        self =
            switch tls?.mode {
            case nil: isOutside ? .plaintext : .automatic
            case .disable: .plaintext
            case .istioMutual: .mesh
            case .simple, .mutual: .originated
            }
    }

    /// What it comes to where clients mean one pod of `endpoints` by its address: one way for all of them.
    package func toward(each endpoints: [MeshEndpoint]) -> ClientTransport {
        guard self == .automatic else { return self }
        return !endpoints.isEmpty && endpoints.allSatisfy(\.takesMutualTLS) ? .mesh : .plaintext
    }
}

extension EffectiveMutualTLS {
    /// Whether the port takes what comes so.
    /// - Parameter isHTTP: its protocol is declared: TLS that is not the mesh's can only be the application's elsewhere.
    package func takes(_ transport: ClientTransport, isHTTP: Bool) -> Bool {
        switch (mode, transport) {
        case (.strict, _): transport == .mesh
        case (.disable, .mesh): false
        case (_, .originated): !isHTTP
        default: true
        }
    }
}

extension MeshSnapshot {
    /// Outside of the mesh nobody speaks its mutual TLS.
    package func isOutside(_ service: MeshService) -> Bool {
        if case .externalName = (alias(of: service) ?? service).resolution { return true }
        return service.entry?.isExternal ?? false
    }
}
