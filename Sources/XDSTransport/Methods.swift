package import GRPCCore

/// The remote procedures of the control plane's door.
package enum Methods {
    package static let aggregatedDiscovery = ServiceDescriptor(
        fullyQualifiedService: "envoy.service.discovery.v3.AggregatedDiscoveryService"
    )
    package static let certificates = ServiceDescriptor(
        fullyQualifiedService: "istio.v1.auth.IstioCertificateService"
    )
    package static let stream = MethodDescriptor(
        service: aggregatedDiscovery, method: "StreamAggregatedResources"
    )
    package static let delta = MethodDescriptor(
        service: aggregatedDiscovery, method: "DeltaAggregatedResources"
    )
    package static let createCertificate = MethodDescriptor(
        service: certificates, method: "CreateCertificate"
    )

    /// Response metadata of CreateCertificate: the one-time token for the next renewal.
    package static let nextTokenKey = "martlet-next-token"
    /// Largest message that either side accepts: a mesh's whole configuration may be large.
    package static let largestMessage = 64 << 20
}

/// `authorization: Bearer …` as gRPC metadata.
package enum BearerToken {
    package static func metadata(_ token: String?) -> Metadata {
        token.map { ["authorization": "Bearer \($0)"] } ?? [:]
    }

    /// The token in `metadata`, nil when there is none.
    package static func token(in metadata: Metadata) -> String? {
        for value in metadata[stringValues: "authorization"] where value.lowercased().hasPrefix("bearer ") {
            return String(value.dropFirst("bearer ".count))
        }
        return nil
    }
}
