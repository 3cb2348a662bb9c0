/// What a context is made from. A plain value: build it, change it, hand it to `TLSContext.init`.
package struct TLSConfiguration: Sendable {
    /// Which side of the handshake the sessions of a context play.
    package enum Role: Sendable { case client, server }

    /// What the peer must prove.
    package enum PeerVerification: Sendable {
        /// A peer certificate is not asked for (server) or not checked (client).
        case none
        /// Server only: checked when the client sends one, and it may send none.
        case optional
        /// There must be a certificate that chains to a trust anchor and satisfies the matchers.
        case required
    }

    package enum Version: Sendable, Comparable { case tls10, tls11, tls12, tls13 }

    package var role: Role
    /// Leaf first, then intermediates. Empty: no certificate is offered (clients only).
    package var certificateChain: TLSMaterial = .none
    package var privateKey: TLSMaterial = .none
    /// Servers: further certificates with their keys, for clients that cannot use the first, or prefer another kind of key.
    /// One with an elliptic curve goes before one with RSA, whatever the order.
    package var furtherCertificates: [(chain: TLSMaterial, key: TLSMaterial)] = []
    /// Several anchors are a trust bundle: a chain to any of them is good. An intermediate may be an anchor. Without
    /// anchors a checked peer is always refused.
    package var trustAnchors: [TLSMaterial] = []
    /// Check no path to an anchor, only the names (Envoy's `trust_chain_verification: ACCEPT_UNTRUSTED`).
    package var acceptUntrusted = false
    package var verification: PeerVerification
    /// The leaf must satisfy at least one; empty means that any name is good.
    package var subjectAlternativeNames: [SubjectAlternativeNameMatcher] = []
    /// SHA-256 of public keys (their SubjectPublicKeyInfo) and of certificates: the leaf must be, or hold, one of all of
    /// them; no pins at all allow any.
    package var pinnedKeys: [[UInt8]] = []
    package var pinnedCertificates: [[UInt8]] = []
    /// In order of preference.
    package var applicationProtocols: [String] = []
    package var minimumVersion: Version = .tls12
    package var maximumVersion: Version = .tls13
    /// TLS 1.2 suites by OpenSSL name; empty is, for servers, those with forward secrecy and authenticated encryption, for
    /// clients the library's default. The suites of TLS 1.3 are fixed.
    package var cipherSuites: [String] = []
    /// Groups by name ("X25519", "P-256", "X25519MLKEM768"); empty is X25519, then P-256, then P-384: the cheap ones.
    package var curves: [String] = []
    /// Clients: the name sent as SNI, unless the session names another.
    package var serverName: String?
    /// Whether a peer that was met before needs only a short handshake: servers issue tickets, clients keep and present
    /// them. The certificate in a ticket is verified again, and no ticket outlives the context that issued it: another
    /// certificate or trust bundle is another context.
    package var resumesSessions = false

    package init(role: Role) {
        self.role = role
        self.verification = role == .client ? .required : .none
    }
}

/// Certificates or a key as they come: PEM text, or DER.
package enum TLSMaterial: Sendable, Equatable {
    case none
    /// One or more PEM blocks; text around them is ignored.
    case pem([UInt8])
    /// One DER object each.
    case der([[UInt8]])

    package static func pem(_ text: String) -> TLSMaterial { .pem(Array(text.utf8)) }
}
