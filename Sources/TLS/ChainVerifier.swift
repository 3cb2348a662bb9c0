private import CNIOBoringSSL

/// The verdict of this module on chains that another library's handshake brought: path, time, purpose, revocation, names.
package final class ChainVerifier: Sendable {
    package struct Refusal: Error, CustomStringConvertible {
        package let description: String
    }

    private let verifier: PeerVerifier

    /// - Parameters:
    ///   - trustAnchors: with the revocation lists that count; without an anchor everyone is refused.
    ///   - names: the leaf must have one of them; empty means that any name is good.
    ///   - role: the side that the peer plays.
    package init(
        trustAnchors: [TLSMaterial], names: [SubjectAlternativeNameMatcher] = [], peerIs role: TLSConfiguration.Role
    ) throws(TLSError) {
        verifier = PeerVerifier(trust: try CertificateStore(trustAnchors), matchers: names, peerIs: role)
    }

    /// - Parameters:
    ///   - chain: DER, leaf first.
    ///   - now: seconds since 1970.
    /// - Returns: the leaf.
    package func verify(_ chain: [[UInt8]], now: Int64) -> Result<TLSCertificate, Refusal> {
        guard let stack = OPENSSL_sk_new_null() else { return .failure(Refusal(description: "out of memory")) }
        var buffers: [OpaquePointer] = []
        defer {
            OPENSSL_sk_free(stack)
            for buffer in buffers { CRYPTO_BUFFER_free(buffer) }
        }
        for certificate in chain {
            guard let buffer = CRYPTO_BUFFER_new(certificate, certificate.count, nil) else {
                return .failure(Refusal(description: "out of memory"))
            }
            buffers.append(buffer)
            OPENSSL_sk_push(stack, UnsafeMutableRawPointer(buffer))
        }
        switch verifier.verify(chain: stack, now: now) {
        case .good(let leaf): return .success(leaf)
        case .refused(let reason, _): return .failure(Refusal(description: reason))
        }
    }
}
