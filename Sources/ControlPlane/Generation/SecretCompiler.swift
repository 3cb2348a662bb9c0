import FoundationEssentials
import MeshAPI
import MeshState
import XDS

/// Secret manifests as certificates of gateways, and of clients whose DestinationRules name one.
struct SecretCompiler {
    let view: ProxyView

    /// The secrets that DestinationRules for this proxy name: those of its own namespace only.
    func clientSecrets() -> [SDSSecret] {
        // Labels that a proxy gives itself until its pod is known give no right to a credential.
        if view.proxy.role == .sidecar,
            view.snapshot.workload(namespace: view.proxy.namespace, name: view.proxy.pod) == nil
        {
            return []
        }
        var names: Set<String> = []
        for rule in view.snapshot.destinationRules where rule.isVisible(in: view.proxy.namespace) {
            // A sidecar gets a credential only from a rule that selects it; a gateway always.
            if view.proxy.role == .sidecar {
                guard let selector = rule.workloadSelector, rule.origin.resource.namespace == view.proxy.namespace,
                    view.workload.matches(selector)
                else { continue }
            }
            for policy in [rule.trafficPolicy] + rule.subsets.map(\.trafficPolicy) {
                let settings = [policy?.tls] + (policy?.portLevelSettings.map(\.tls) ?? [])
                for tls in settings { if let name = tls?.credentialName?.value { names.insert(name) } }
            }
        }
        return names.sorted().flatMap { name in
            [certificate(name), authority(name, name: Names.gatewaySecret(name) + "-cacert")].compactMap(\.self)
        }
    }

    private func data(_ credential: String, _ keys: [String]) -> [UInt8]? {
        guard let secret = view.snapshot.secret(namespace: view.workload.namespace, name: credential) else {
            return nil
        }
        return keys.lazy.compactMap { secret.data[$0] }.first
    }

    func certificate(_ credential: String) -> SDSSecret? {
        guard let chain = data(credential, ["tls.crt", "cert"]), let key = data(credential, ["tls.key", "key"]) else {
            return nil
        }
        var secret = SDSSecret()
        secret.name = Names.gatewaySecret(credential)
        secret.tlsCertificate.certificateChain.inlineBytes = .init(chain)
        secret.tlsCertificate.privateKey.inlineBytes = .init(key)
        return secret
    }

    func authority(_ credential: String, name: String) -> SDSSecret? {
        let separate = data(credential + "-cacert", ["ca.crt", "cacert"])
        guard let roots = separate ?? data(credential, ["ca.crt", "cacert"]) else { return nil }
        var secret = SDSSecret()
        secret.name = name
        // Envoy and Martlet take revocation lists in the bundle for those of its authorities.
        var revoked = data(credential + "-cacert", ["ca.crl"]) ?? data(credential, ["ca.crl"]) ?? []
        // What is not PEM is DER, or damaged: either way it must be seen in the bundle, and not be passed over.
        if !revoked.isEmpty, !String(decoding: revoked, as: UTF8.self).contains("-----BEGIN X509 CRL-----") {
            let text = Data(revoked).base64EncodedString(options: .lineLength64Characters)
            revoked = Array("-----BEGIN X509 CRL-----\n\(text)\n-----END X509 CRL-----\n".utf8)
        }
        secret.validationContext.trustedCa.inlineBytes = .init(
            revoked.isEmpty ? roots : roots + [UInt8(ascii: "\n")] + revoked)
        return secret
    }
}
