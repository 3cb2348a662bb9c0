import GRPCNIOTransportHTTP2Posix
import Glibc
import NIOCore
import NIOSSL
package import TLS

/// TLS towards a control plane: whom to believe, and, if the proxy has one, its own certificate.
package struct ClientSecurity: Sendable {
    /// Without an anchor every server is refused.
    package var trustAnchors: [TLSMaterial]
    /// The server's certificate must have one of these names.
    package var names: [SubjectAlternativeNameMatcher]
    /// Sent as SNI and as authority.
    package var serverName: String?
    /// PEM, leaf first; with it the client proves itself at the handshake.
    package var certificateChain: String?
    /// PEM.
    package var privateKey: String?

    package init(trustAnchors: [TLSMaterial], names: [SubjectAlternativeNameMatcher], serverName: String? = nil) {
        self.trustAnchors = trustAnchors
        self.names = names
        self.serverName = serverName
    }

    /// - Throws: when anchors cannot be read.
    func transport() throws -> HTTP2ClientTransport.Posix.TransportSecurity {
        let verifier = try ChainVerifier(trustAnchors: trustAnchors, names: names, peerIs: .server)
        return .tls { tls in
            if let certificateChain, let privateKey {
                tls.certificateChain = [.bytes(Array(certificateChain.utf8), format: .pem)]
                tls.privateKey = .bytes(Array(privateKey.utf8), format: .pem)
            }
            tls.serverCertificateVerification = .noHostnameVerification
            tls.customVerificationCallback = { certificates, verdict in
                let chain = certificates.compactMap { try? $0.toDERBytes() }
                switch verifier.verify(chain, now: Int64(time(nil))) {
                case .success: verdict.succeed(.certificateVerified(VerificationMetadata(nil)))
                case .failure(let refusal): verdict.fail(refusal)
                }
            }
        }
    }
}
