/// Why a context could not be built. The texts are for operators: what, where, and what to do.
package enum TLSError: Error, Equatable, Sendable {
    /// No certificate was found in the given bytes; `what` names the input ("certificate chain", "trust anchors").
    case noCertificate(what: String)
    /// Entry `index` of `what` is not a certificate.
    case badCertificate(what: String, index: Int, reason: String)
    /// The private key could not be read.
    case badPrivateKey(reason: String)
    /// The private key does not belong to the leaf certificate.
    case keyMismatch(reason: String)
    /// A setting (cipher list, curve list, ALPN, version range) was refused by the library.
    case badSetting(what: String, value: String, reason: String)
    /// The library is out of memory.
    case exhausted
}

extension TLSError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noCertificate(let what): "\(what): no certificate found in the PEM or DER bytes"
        case .badCertificate(let what, let index, let reason): "\(what): certificate \(index) cannot be read: \(reason)"
        case .badPrivateKey(let reason): "private key cannot be read (PEM or DER; PKCS#8, RSA or EC): \(reason)"
        case .keyMismatch(let reason): "the private key does not belong to the certificate: \(reason)"
        case .badSetting(let what, let value, let reason): "\(what) '\(value)' is refused: \(reason)"
        case .exhausted: "the TLS library is out of memory"
        }
    }
}
