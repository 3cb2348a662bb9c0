import Routing
import SwiftProtobuf
import XDS

extension ListenerCompiler {
    /// envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.
    mutating func tcpProxy(_ any: Google_Protobuf_Any, direction: TrafficDirection, path: String) -> TCPProxyDescriptor?
    {
        guard
            let proxy = unpack(
                any, as: Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy.self, path: path, issues: &issues)
        else { return nil }
        if proxy.hasMetadataMatch {
            issues.append(CompileIssue(path: path + ".metadata_match", message: "not supported yet"))
        }
        if proxy.hasTunnelingConfig {
            issues.append(CompileIssue(path: path + ".tunneling_config", message: "not supported yet"))
        }
        var targets: [TCPProxyDescriptor.Target] = []
        switch proxy.clusterSpecifier {
        case .cluster(let name):
            targets = [TCPProxyDescriptor.Target(cluster: Int(parts.registry.cluster(name).index))]
        case .weightedClusters(let weighted):
            for (index, item) in weighted.clusters.enumerated() {
                if item.hasMetadataMatch {
                    issues.append(
                        CompileIssue(
                            path: "\(path).weighted_clusters.clusters[\(index)].metadata_match",
                            message: "not supported yet"))
                }
                if item.weight > 0 {
                    let number = Int(parts.registry.cluster(item.name).index)
                    targets.append(TCPProxyDescriptor.Target(cluster: number, weight: item.weight))
                }
            }
        case nil: break
        }
        guard !targets.isEmpty else {
            issues.append(
                CompileIssue(path: path, message: "needs cluster, or weighted_clusters with a weight above 0"))
            return nil
        }
        return TCPProxyDescriptor(
            statPrefix: proxy.statPrefix,
            targets: targets,
            idleTimeoutMilliseconds: proxy.hasIdleTimeout
                ? milliseconds(proxy.idleTimeout, path: path + ".idle_timeout", fallback: 3_600_000, issues: &issues)
                : 3_600_000,
            maxConnectAttempts: proxy.hasMaxConnectAttempts ? proxy.maxConnectAttempts.value : 1,
            accessLogs: parts.accessLogs(proxy.accessLog, path: path + ".access_log", issues: &issues),
            direction: direction
        )
    }
}
