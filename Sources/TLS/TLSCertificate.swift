private import CNIOBoringSSL

/// What is kept of a certificate once it has been looked at: parsed once, shared by every session that meets it.
package final class TLSCertificate: Sendable {
    /// URI names, in the certificate's order. The SPIFFE id is the first of them.
    package let uriNames: [[UInt8]]
    package let dnsNames: [[UInt8]]
    /// RFC 2253 text, as the XFCC header's `Subject` shows it.
    package let subject: [UInt8]
    package let serialNumber: String
    /// Seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64
    /// SHA-256 of the DER bytes, as the XFCC header's `Hash` shows it (in hex).
    package let sha256: [UInt8]

    /// The first URI name: in a mesh, the SPIFFE id.
    package var identity: [UInt8]? { uriNames.first }

    /// - Parameter x509: borrowed.
    init(x509: OpaquePointer, sha256: [UInt8]) {
        (uriNames, dnsNames) = Self.names(x509)
        subject = Self.text { X509_NAME_print_ex($0, X509_get_subject_name(x509), 0, Self.rfc2253) >= 0 }
        serialNumber = Self.serial(x509)
        notBefore = Self.seconds(X509_get0_notBefore(x509))
        notAfter = Self.seconds(X509_get0_notAfter(x509))
        self.sha256 = sha256
    }

    /// `XN_FLAG_RFC2253` of the library, a macro that Swift cannot import: escape, convert to UTF-8, dump the unknown,
    /// comma and plus between attributes, last attribute first.
    private static let rfc2253: UInt = 0x317 | 1 << 16 | 1 << 20 | 1 << 24

    private static func names(_ x509: OpaquePointer) -> (uri: [[UInt8]], dns: [[UInt8]]) {
        guard let stack = X509_get_ext_d2i(x509, NID_subject_alt_name, nil, nil) else { return ([], []) }
        let names = OpaquePointer(stack)
        defer { GENERAL_NAMES_free(names) }
        var uri: [[UInt8]] = []
        var dns: [[UInt8]] = []
        for index in 0..<OPENSSL_sk_num(names) {
            guard let raw = OPENSSL_sk_value(names, index) else { continue }
            // SAFETY: the stack came from the decoder of this extension, so each element is a GENERAL_NAME that the
            // stack owns until GENERAL_NAMES_free below.
            let name = raw.assumingMemoryBound(to: GENERAL_NAME.self).pointee
            if name.type == GEN_URI {
                uri.append(bytes(name.d.ia5))
            } else if name.type == GEN_DNS {
                dns.append(bytes(name.d.ia5))
            }
        }
        return (uri, dns)
    }

    private static func bytes(_ string: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
        guard let string, let data = ASN1_STRING_get0_data(string) else { return [] }
        return Array(UnsafeBufferPointer(start: data, count: Int(ASN1_STRING_length(string))))
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var seconds: Int64 = 0
        guard let time, ASN1_TIME_to_posix(time, &seconds) == 1 else { return 0 }
        return seconds
    }

    private static func serial(_ x509: OpaquePointer) -> String {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nil) else { return "" }
        defer { BN_free(number) }
        guard let hex = BN_bn2hex(number) else { return "" }
        defer { OPENSSL_free(hex) }
        return String(cString: hex).lowercased()
    }

    /// The bytes that `print` wrote to a memory BIO.
    private static func text(_ print: (OpaquePointer) -> Bool) -> [UInt8] {
        guard let bio = BIO_new(BIO_s_mem()) else { return [] }
        defer { BIO_free(bio) }
        var contents: UnsafePointer<UInt8>?
        var count = 0
        guard print(bio), BIO_mem_contents(bio, &contents, &count) == 1, let contents else { return [] }
        return Array(UnsafeBufferPointer(start: contents, count: count))
    }
}

extension TLSCertificate {
    /// The certificates in the material that can be read, in order; for showing them.
    package static func read(_ material: TLSMaterial) -> [TLSCertificate] {
        let all = (try? Material.certificates([material], what: "certificates")) ?? []
        return all.compactMap { der in
            guard let x509 = Material.parse(der) else {
                LibraryError.clear()
                return nil
            }
            defer { X509_free(x509) }
            return TLSCertificate(x509: x509, sha256: Material.sha256(der))
        }
    }
}
