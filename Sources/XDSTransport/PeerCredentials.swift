import GRPCCore
import GRPCNIOTransportHTTP2Posix
import X509

/// What a peer brought to prove who it is.
package struct PeerCredentials: Sendable, Equatable {
    /// The bearer token, nil when none.
    package var token: String?
    /// The URI name of the certificate that the handshake verified; nil without one, as on the Unix socket.
    package var certifiedIdentity: String?

    package init(token: String? = nil, certifiedIdentity: String? = nil) {
        self.token = token
        self.certifiedIdentity = certifiedIdentity
    }

    init(metadata: Metadata, context: ServerContext) {
        token = BearerToken.token(in: metadata)
        guard let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context,
            let names = try? transport.peerCertificate?.extensions.subjectAlternativeNames
        else { return }
        for case .uniformResourceIdentifier(let name) in names {
            certifiedIdentity = name
            return
        }
    }
}
