private import CNIOBoringSSL

/// Trust anchors, as the library wants them, and the revocation lists that stand beside them in PEM bundles ("X509 CRL").
/// With a list, every certificate of a chain is looked up, and one whose issuer has no current list is refused, as Envoy
/// does it. Immutable after init; the library locks the store itself.
final class CertificateStore: Sendable {
    /// An X509_STORE: written in init only; documented as usable from several threads.
    private let owned: LibraryObject
    var store: OpaquePointer { owned.pointer }
    let anchors: [TLSCertificate]
    /// Whether chains are looked up in revocation lists.
    let revokes: Bool

    init(_ materials: [TLSMaterial]) throws(TLSError) {
        guard let store = X509_STORE_new() else { throw .exhausted }
        owned = LibraryObject(store) { X509_STORE_free($0) }
        var anchors: [TLSCertificate] = []
        for (index, der) in try Material.certificates(materials, what: "trust anchors").enumerated() {
            guard let x509 = Material.parse(der) else {
                throw .badCertificate(what: "trust anchors", index: index, reason: LibraryError.take())
            }
            defer { X509_free(x509) }
            X509_STORE_add_cert(store, x509)
            anchors.append(TLSCertificate(x509: x509, sha256: Material.sha256(der)))
        }
        let lists = try Material.revocationLists(materials)
        for (index, der) in lists.enumerated() {
            guard let list = Material.parseList(der) else {
                throw .badCertificate(what: "revocation lists", index: index, reason: LibraryError.take())
            }
            defer { X509_CRL_free(list) }
            X509_STORE_add_crl(store, list)
        }
        // An anchor is trusted for being in the bundle, be it self-signed or not (RFC 5280 section 6.1.1 d).
        var flags = UInt(X509_V_FLAG_PARTIAL_CHAIN)
        if !lists.isEmpty { flags |= UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) }
        X509_STORE_set_flags(store, flags)
        self.anchors = anchors
        revokes = !lists.isEmpty
    }
}

/// Reading of certificates and keys.
enum Material {
    /// DER objects of every certificate in the materials, in order.
    static func certificates(_ materials: [TLSMaterial], what: String) throws(TLSError) -> [[UInt8]] {
        var found: [[UInt8]] = []
        for material in materials {
            switch material {
            case .none: continue
            case .der(let objects): found += objects
            case .pem(let text):
                let certificates = PEM.blocks(text).filter { $0.label.hasSuffix("CERTIFICATE") }
                guard !certificates.isEmpty else { throw .noCertificate(what: what) }
                found += certificates.map(\.der)
            }
        }
        return found
    }

    /// DER objects of every revocation list in the materials, in order. One that is damaged is an error: without it, revoked
    /// certificates would be taken.
    static func revocationLists(_ materials: [TLSMaterial]) throws(TLSError) -> [[UInt8]] {
        var found: [[UInt8]] = []
        for material in materials {
            guard case .pem(let text) = material else { continue }
            let lists = PEM.blocks(text).filter { $0.label == "X509 CRL" }
            guard lists.count == PEM.beginnings(of: "X509 CRL", in: text) else {
                throw .badCertificate(
                    what: "revocation lists", index: found.count + lists.count,
                    reason: "a block that begins as a list has no end or is not base64")
            }
            found += lists.map(\.der)
        }
        return found
    }

    /// - Returns: an owned X509_CRL, or nil with the reason on the error queue.
    static func parseList(_ der: [UInt8]) -> OpaquePointer? {
        der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            return d2i_X509_CRL(nil, &cursor, bytes.count)
        }
    }

    /// - Returns: an owned X509, or nil with the reason on the error queue.
    static func parse(_ der: [UInt8]) -> OpaquePointer? {
        der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            guard let x509 = d2i_X509(nil, &cursor, bytes.count) else { return nil }
            guard cursor == bytes.baseAddress.map({ $0 + bytes.count }) else {
                X509_free(x509)
                return nil
            }
            return x509
        }
    }

    /// - Returns: an owned EVP_PKEY.
    static func privateKey(_ material: TLSMaterial) throws(TLSError) -> OpaquePointer {
        let der: [UInt8]?
        switch material {
        case .none: der = nil
        case .der(let objects): der = objects.first
        case .pem(let text): der = PEM.blocks(text).first { $0.label.hasSuffix("PRIVATE KEY") }?.der
        }
        guard let der else { throw .badPrivateKey(reason: "no private key in the given bytes") }
        let key: OpaquePointer? = der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            return d2i_AutoPrivateKey(nil, &cursor, bytes.count)
        }
        guard let key else { throw .badPrivateKey(reason: LibraryError.take()) }
        return key
    }

    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(bytes, bytes.count, &digest)
        return digest
    }
}
