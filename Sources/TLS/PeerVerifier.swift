private import CNIOBoringSSL
import Glibc
import Synchronization

/// Decides whether a peer's chain is good: path to an anchor, time, purpose, names.
///
/// A verdict "good" is kept by the hash of the chain until the first certificate of it expires, so that a peer that comes
/// back costs a hash instead of parsing and two signature checks; the peer's proof that it holds the key is made by the
/// handshake each time. Refusals are never kept.
final class PeerVerifier: Sendable {
    enum Verdict {
        case good(TLSCertificate)
        /// `alert` is the TLS alert to send (RFC 8446 section 6.2).
        case refused(reason: String, alert: UInt8)
    }

    private struct Known {
        var certificate: TLSCertificate
        var from: Int64
        var until: Int64
    }

    /// Bounds the memory of remembered verdicts; beyond it the memory starts afresh.
    private static let knownLimit = 1024

    private let trust: CertificateStore?
    private let matchers: [SubjectAlternativeNameMatcher]
    private let pins: CertificatePins
    private let purpose: Int32
    private let known = Mutex<[[UInt8]: Known]>([:])

    /// - Parameter trust: nil accepts any chain; the leaf is still parsed and its names are still matched.
    init(
        trust: CertificateStore?, matchers: [SubjectAlternativeNameMatcher], pins: CertificatePins = CertificatePins(),
        peerIs role: TLSConfiguration.Role
    ) {
        self.trust = trust
        self.matchers = matchers
        self.pins = pins
        self.purpose = role == .client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER
    }

    /// - Parameter chain: the library's stack of CRYPTO_BUFFER, leaf first, borrowed.
    /// - Parameter now: seconds since 1970.
    func verify(chain: OpaquePointer, now: Int64) -> Verdict {
        let count = OPENSSL_sk_num(chain)
        guard count > 0, let leaf = OPENSSL_sk_value(chain, 0) else {
            return .refused(reason: "the peer sent an empty certificate chain", alert: UInt8(SSL_AD_BAD_CERTIFICATE))
        }
        let hash = Self.hash(chain, count)
        if let peer = known.withLock({ known -> TLSCertificate? in
            guard let entry = known[hash], entry.from <= now, now < entry.until else { return nil }
            return entry.certificate
        }) {
            return .good(peer)
        }
        var parsed: [OpaquePointer] = []
        defer { for x509 in parsed { X509_free(x509) } }
        for index in 0..<count {
            guard let buffer = OPENSSL_sk_value(chain, index),
                let x509 = X509_parse_from_buffer(OpaquePointer(buffer))
            else {
                return .refused(
                    reason: "the peer's certificate \(index) cannot be read: \(LibraryError.take())",
                    alert: UInt8(SSL_AD_DECODE_ERROR)
                )
            }
            parsed.append(x509)
        }
        let peer = TLSCertificate(x509: parsed[0], sha256: Self.hash(OpaquePointer(leaf)))
        if let refusal = checkPath(parsed, peer, now) ?? checkNames(peer) { return refusal }
        guard pins.allow(peer, parsed[0]) else {
            return .refused(
                reason: "certificate verify failed: neither it nor its key is pinned: \(Self.subject(peer))",
                alert: UInt8(SSL_AD_CERTIFICATE_UNKNOWN))
        }
        var entry = Known(certificate: peer, from: peer.notBefore, until: peer.notAfter)
        for x509 in parsed.dropFirst() {
            let other = TLSCertificate(x509: x509, sha256: [])
            entry.from = max(entry.from, other.notBefore)
            entry.until = min(entry.until, other.notAfter)
        }
        // A list ends, and then says nothing any more: chains are looked up in it each time.
        if trust?.revokes == true { return .good(peer) }
        known.withLock { known in
            if known.count >= Self.knownLimit { known.removeAll(keepingCapacity: true) }
            known[hash] = entry
        }
        return .good(peer)
    }

    private func checkPath(_ chain: [OpaquePointer], _ peer: TLSCertificate, _ now: Int64) -> Verdict? {
        guard let trust else { return nil }
        guard let context = X509_STORE_CTX_new(), let untrusted = OPENSSL_sk_new_null() else {
            return .refused(reason: "out of memory", alert: UInt8(SSL_AD_INTERNAL_ERROR))
        }
        defer {
            X509_STORE_CTX_free(context)
            OPENSSL_sk_free(untrusted)
        }
        for x509 in chain.dropFirst() { OPENSSL_sk_push(untrusted, UnsafeMutableRawPointer(x509)) }
        guard X509_STORE_CTX_init(context, trust.store, chain[0], untrusted) == 1 else {
            return .refused(reason: LibraryError.take(), alert: UInt8(SSL_AD_INTERNAL_ERROR))
        }
        X509_STORE_CTX_set_purpose(context, purpose)
        X509_STORE_CTX_set_time_posix(context, 0, now)
        if X509_verify_cert(context) == 1 { return nil }
        let error = X509_STORE_CTX_get_error(context)
        LibraryError.clear()
        let name = peer.identity.map { String(decoding: $0, as: UTF8.self) } ?? Self.subject(peer)
        let why =
            switch error {
            case X509_V_ERR_CERT_HAS_EXPIRED: "it has expired (check the clock, or why it was not renewed)"
            case X509_V_ERR_CERT_NOT_YET_VALID: "it is not valid yet (check the clock)"
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
                X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
                X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
                "no chain to a trust anchor"
            case X509_V_ERR_CERT_REVOKED: "it has been revoked"
            case X509_V_ERR_UNABLE_TO_GET_CRL:
                "no revocation list of its issuer is at hand (a bundle with one needs those of all authorities)"
            case X509_V_ERR_CRL_HAS_EXPIRED: "the revocation list of its issuer has ended: publish a new one"
            case X509_V_ERR_INVALID_PURPOSE: "its key usage does not allow this"
            default: X509_verify_cert_error_string(Int(error)).map { String(cString: $0) } ?? "error \(error)"
            }
        return .refused(
            reason: "certificate verify failed: \(why): \(name)",
            alert: UInt8(truncatingIfNeeded: SSL_alert_from_verify_result(Int(error)))
        )
    }

    private func checkNames(_ peer: TLSCertificate) -> Verdict? {
        if matchers.isEmpty || matchers.contains(where: { $0.matches(peer) }) { return nil }
        let names = (peer.uriNames + peer.dnsNames).prefix(4).map { String(decoding: $0, as: UTF8.self) }
        let presented = names.isEmpty ? "the certificate has no SAN" : "SAN \(names.joined(separator: ", "))"
        var wanted = matchers.prefix(4).map(\.description).joined(separator: ", ")
        if matchers.count > 4 { wanted += ", … (\(matchers.count) in all)" }
        return .refused(
            reason: "certificate verify failed: \(presented) is not in [\(wanted)]",
            alert: UInt8(SSL_AD_CERTIFICATE_UNKNOWN)
        )
    }

    private static func subject(_ peer: TLSCertificate) -> String {
        peer.subject.isEmpty ? "a certificate without subject" : String(decoding: peer.subject, as: UTF8.self)
    }

    private static func hash(_ chain: OpaquePointer, _ count: Int) -> [UInt8] {
        var context = SHA256_CTX()
        SHA256_Init(&context)
        for index in 0..<count {
            guard let buffer = OPENSSL_sk_value(chain, index) else { continue }
            let certificate = OpaquePointer(buffer)
            SHA256_Update(&context, CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate))
        }
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&digest, &context)
        return digest
    }

    private static func hash(_ certificate: OpaquePointer) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate), &digest)
        return digest
    }
}
