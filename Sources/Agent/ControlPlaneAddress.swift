package import XDS
package import XDSTransport

/// Where a bootstrap says that the control plane is.
package enum ControlPlaneAddress {
    package enum Problem: Error, CustomStringConvertible {
        case noCluster(String)
        case noEndpoint(String)

        package var description: String {
            switch self {
            case .noCluster(let name):
                "dynamic_resources.ads_config names the cluster \"\(name)\", which static_resources.clusters does not have"
            case .noEndpoint(let name):
                "static_resources.clusters \"\(name)\" has no endpoint: load_assignment needs a pipe or socket_address"
            }
        }
    }

    package struct Found: Sendable {
        package var client: DiscoveryClient
        package var variant: DiscoveryState.Variant
        package var cluster: String
    }

    /// - Returns: nil when the bootstrap has no dynamic resources.
    package static func find(
        in bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap
    ) throws -> Found? {
        guard bootstrap.dynamicResources.hasAdsConfig else { return nil }
        let config = bootstrap.dynamicResources.adsConfig
        let name = config.grpcServices.first?.envoyGrpc.clusterName ?? ""
        guard let cluster = bootstrap.staticResources.clusters.first(where: { $0.name == name }) else {
            throw Problem.noCluster(name)
        }
        let endpoint = cluster.loadAssignment.endpoints.first?.lbEndpoints.first?.endpoint
        let address: ServerAddress
        switch endpoint?.address.address {
        case .pipe(let pipe)? where !pipe.path.isEmpty: address = .unixSocket(path: pipe.path)
        case .socketAddress(let socket)?: address = .tcp(host: socket.address, port: Int(socket.portValue))
        default: throw Problem.noEndpoint(name)
        }
        let isDelta = config.apiType == .deltaGrpc || config.apiType == .aggregatedDeltaGrpc
        return Found(
            client: DiscoveryClient(address: address, security: try ControlPlaneSecurity.read(cluster)),
            variant: isDelta ? .delta : .stateOfTheWorld, cluster: name)
    }
}
