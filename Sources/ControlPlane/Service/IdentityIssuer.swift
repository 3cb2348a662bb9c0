import FoundationEssentials
import Identity
import XDS

/// Certificates for proxies that cannot ask for their own (Envoy): the control plane makes the key and sends both as the
/// secrets `default` and `ROOTCA` over the proxy's own stream.
struct IdentityIssuer {
    struct Identity: Sendable {
        var name: SPIFFEID
        var issued: CertificateAuthority.Issued
        var secrets: [SDSSecret]
        /// Half of the certificate's life has passed.
        var renewal: Date
    }

    let authority: CertificateAuthority
    let trustDomain: String
    /// Seconds.
    let lifetime: TimeInterval

    func issue(namespace: String, serviceAccount: String, now: Date) throws -> Identity {
        let name = try SPIFFEID(trustDomain: trustDomain, namespace: namespace, serviceAccount: serviceAccount)
        let request = try SigningRequest(identity: name)
        let issued = try authority.sign(requestPEM: request.requestPEM, identity: name, lifetime: lifetime, now: now)
        var certificate = SDSSecret()
        certificate.name = Names.workloadSecret
        // The root at the end of the chain is for verifiers, who have it.
        let chain = issued.chain.count > 1 ? Array(issued.chain.dropLast()) : issued.chain
        certificate.tlsCertificate.certificateChain.inlineString = chain.joined(separator: "\n")
        certificate.tlsCertificate.privateKey.inlineString = request.privateKeyPEM
        var roots = SDSSecret()
        roots.name = Names.rootSecret
        roots.validationContext.trustedCa.inlineString = (authority.trustAnchors + [authority.revocationLists])
            .joined(separator: "\n")
        return Identity(
            name: name, issued: issued, secrets: [certificate, roots],
            renewal: now.addingTimeInterval(issued.notAfter.timeIntervalSince(now) / 2)
        )
    }
}
