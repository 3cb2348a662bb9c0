import MeshState
import SwiftProtobuf
package import XDS

extension ProxyIdentity {
    /// Reads Istio's node id, `ROLE~IP~POD.NAMESPACE~NAMESPACE.svc.SUFFIX`, and the node's metadata.
    /// - Returns: nil when the id is none of Istio's.
    package init?(node: Envoy_Config_Core_V3_Node) {
        let parts = node.id.split(separator: "~", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, let role = Role(rawValue: parts[0]) else { return nil }
        let metadata = node.metadata.fields
        let namespace =
            metadata["NAMESPACE"]?.stringValue ?? String(parts[3].split(separator: ".").first ?? "default")
        // Pod names may hold dots; namespaces may not.
        let suffix = ".\(namespace)"
        let pod = parts[2].hasSuffix(suffix) ? String(parts[2].dropLast(suffix.count)) : parts[2]
        self.init(
            id: node.id,
            role: role,
            ip: parts[1],
            pod: pod,
            namespace: namespace,
            labels: metadata["LABELS"]?.structValue.fields.mapValues(\.stringValue) ?? [:],
            serviceAccount: metadata["SERVICE_ACCOUNT"]?.stringValue ?? "default",
            features: metadata["GENERATOR"]?.stringValue == "grpc"
                ? .grpc : node.userAgentName == "envoy" ? .envoy : .martlet,
            socketMark: metadata["SOCKET_MARK"].flatMap { Int($0.stringValue) } ?? 0
        )
    }
}
