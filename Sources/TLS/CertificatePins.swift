private import CNIOBoringSSL

/// Certificates and keys that a peer's leaf must be among, by their SHA-256.
struct CertificatePins {
    var keys: [[UInt8]] = []
    var certificates: [[UInt8]] = []

    /// - Parameter x509: the leaf, borrowed.
    func allow(_ leaf: TLSCertificate, _ x509: OpaquePointer) -> Bool {
        if keys.isEmpty, certificates.isEmpty { return true }
        if certificates.contains(leaf.sha256) { return true }
        guard !keys.isEmpty, let digest = Self.keyDigest(x509) else { return false }
        return keys.contains(digest)
    }

    /// SHA-256 of the SubjectPublicKeyInfo's DER (RFC 7469 section 2.4).
    private static func keyDigest(_ x509: OpaquePointer) -> [UInt8]? {
        guard let key = X509_get_X509_PUBKEY(x509) else { return nil }
        var der: UnsafeMutablePointer<UInt8>?
        let length = i2d_X509_PUBKEY(key, &der)
        guard length > 0, let der else { return nil }
        defer { OPENSSL_free(der) }
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(der, Int(length), &digest)
        return digest
    }
}
