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
            direction: direction,
            tunnelRequest: proxy.hasTunnelingConfig
                ? tunnelRequest(proxy.tunnelingConfig, path: path + ".tunneling_config") : nil
        )
    }

    /// A CONNECT to the configured place.
    private mutating func tunnelRequest(
        _ tunnel: Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy.TunnelingConfig, path: String
    ) -> [UInt8] {
        if tunnel.usePost {
            issues.append(CompileIssue(path: path + ".use_post", message: "only CONNECT is supported"))
        }
        let isName = tunnel.hostname.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x25 }
        if tunnel.hostname.isEmpty || !isName {
            issues.append(
                CompileIssue(
                    path: path + ".hostname", message: "must be HOST:PORT, and operators (%) are not supported"))
        }
        return Array("CONNECT \(tunnel.hostname) HTTP/1.1\r\nhost: \(tunnel.hostname)\r\n\r\n".utf8)
    }
}
