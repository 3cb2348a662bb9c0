private import CNIOBoringSSL

/// A chain and its key, read: what a context shows of itself.
final class OwnCertificate {
    let leaf: TLSCertificate
    private let key: OpaquePointer
    private let buffers: [OpaquePointer?]

    /// nil when the chain is empty.
    init?(_ chain: TLSMaterial, _ key: TLSMaterial) throws(TLSError) {
        let chain = try Material.certificates([chain], what: "certificate chain")
        guard let first = chain.first else { return nil }
        for (index, der) in chain.enumerated() {
            guard let x509 = Material.parse(der) else {
                throw .badCertificate(what: "certificate chain", index: index, reason: LibraryError.take())
            }
            X509_free(x509)
        }
        guard let x509 = Material.parse(first) else { throw .exhausted }
        defer { X509_free(x509) }
        leaf = TLSCertificate(x509: x509, sha256: Material.sha256(first))
        self.key = try Material.privateKey(key)
        buffers = chain.map { CRYPTO_BUFFER_new($0, $0.count, nil) }
    }

    deinit {
        for buffer in buffers { CRYPTO_BUFFER_free(buffer) }
        EVP_PKEY_free(key)
    }

    var isEllipticCurve: Bool { EVP_PKEY_id(key) == EVP_PKEY_EC }

    /// As the only certificate of a context.
    func install(in library: OpaquePointer) throws(TLSError) {
        guard SSL_CTX_set_chain_and_key(library, buffers, buffers.count, key, nil) == 1 else {
            throw .keyMismatch(reason: LibraryError.take())
        }
    }

    /// Behind those that are there already: the library takes the first that the client can use.
    func add(to library: OpaquePointer) throws(TLSError) {
        guard let credential = SSL_CREDENTIAL_new_x509() else { throw .exhausted }
        defer { SSL_CREDENTIAL_free(credential) }
        guard SSL_CREDENTIAL_set1_cert_chain(credential, buffers, buffers.count) == 1,
            SSL_CREDENTIAL_set1_private_key(credential, key) == 1,
            SSL_CTX_add1_credential(library, credential) == 1
        else { throw .keyMismatch(reason: LibraryError.take()) }
    }
}
