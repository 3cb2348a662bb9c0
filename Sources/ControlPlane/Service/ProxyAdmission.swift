import FoundationEssentials
import Identity
import MeshState
import SwiftProtobuf
import XDS
import XDSTransport

/// Decides who a proxy is that opened a stream, and whether it may be who it says: by its token, or by the certificate of
/// its handshake. Pure.
struct ProxyAdmission: Sendable {
    /// Without a key every proxy is believed: for tests.
    let tokenKey: TokenKey?
    let trustDomain: String

    func admit(
        _ node: Envoy_Config_Core_V3_Node, _ credentials: PeerCredentials, snapshot: MeshSnapshot?, now: Date
    ) throws(DiscoveryRefusal) -> ProxyIdentity {
        guard var proxy = ProxyIdentity(node: node) else {
            throw .invalid("node id \"\(node.id)\" is not of the form ROLE~IP~POD.NAMESPACE~DOMAIN")
        }
        guard let tokenKey else { return proxy }
        let own = node.metadata.fields["MARTLET_TOKEN"]?.stringValue
        if let token = credentials.token ?? own {
            try check(token, tokenKey, &proxy, now)
        } else if let certified = credentials.certifiedIdentity {
            try check(certified, &proxy, snapshot)
        } else {
            throw .unauthenticated("a workload token (audience xds) or certificate is required")
        }
        return proxy
    }

    private func check(
        _ token: String, _ key: TokenKey, _ proxy: inout ProxyIdentity, _ now: Date
    ) throws(DiscoveryRefusal) {
        let proof: WorkloadToken
        do {
            proof = try WorkloadToken.verify(token, audience: .xds, key: key, now: now)
        } catch {
            throw .unauthenticated("\(error)")
        }
        guard proof.namespace == proxy.namespace, proof.pod == proxy.pod else {
            throw .unauthenticated(
                "the token is for pod \(proof.namespace)/\(proof.pod), not for \(proxy.namespace)/\(proxy.pod)")
        }
        // Gateways are sent the certificates of their servers: nobody becomes one by saying so.
        guard proxy.role != .gateway || proof.isGateway else {
            throw .unauthenticated("the token of \(proof.namespace)/\(proof.pod) is not a gateway's")
        }
        proxy.serviceAccount = proof.serviceAccount
    }

    /// A certificate names a service account, not a pod: the pod must be one of that account, as the mesh knows it.
    private func check(
        _ certified: String, _ proxy: inout ProxyIdentity, _ snapshot: MeshSnapshot?
    ) throws(DiscoveryRefusal) {
        guard let identity = try? SPIFFEID(certified), identity.trustDomain == trustDomain else {
            throw .unauthenticated("the certificate of \(certified) is not one of a workload in \(trustDomain)")
        }
        guard let pod = snapshot?.workload(namespace: proxy.namespace, name: proxy.pod),
            pod.namespace == identity.namespace, pod.serviceAccount == identity.serviceAccount
        else {
            throw .unauthenticated("the certificate of \(certified) is not the one of \(proxy.namespace)/\(proxy.pod)")
        }
        guard proxy.role != .gateway || pod.kind == .gateway else {
            throw .unauthenticated("\(proxy.namespace)/\(proxy.pod) is no gateway")
        }
        proxy.serviceAccount = identity.serviceAccount
    }
}
