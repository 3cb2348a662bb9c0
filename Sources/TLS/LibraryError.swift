private import CNIOBoringSSL

/// BoringSSL's error queue, read as text. The queue belongs to the thread.
enum LibraryError {
    /// Takes everything off the queue; the text names the last (outermost) reason.
    static func take() -> String {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return "no reason given" }
        return String(cString: reason).lowercased().split(separator: "_").joined(separator: " ")
    }

    static func clear() { ERR_clear_error() }

    /// What a failed session tells an operator. Known reasons get a sentence, the others the library's words.
    static func takeSessionReason() -> String {
        var words: String?
        while true {
            let code = ERR_get_error()
            guard code != 0 else { return words.map { "TLS: \($0)" } ?? "the connection broke" }
            if ERR_GET_LIB(code) == Int32(ERR_LIB_SSL), let sentence = sentences[ERR_GET_REASON(code)] {
                ERR_clear_error()
                return sentence
            }
            if words == nil, let reason = ERR_reason_error_string(code) {
                words = String(cString: reason).lowercased().split(separator: "_").joined(separator: " ")
            }
        }
    }

    private static let sentences: [Int32: String] = [
        SSL_R_HTTP_REQUEST: "the peer speaks plain HTTP on a TLS port",
        SSL_R_HTTPS_PROXY_REQUEST: "the peer sent an HTTP CONNECT to a TLS port",
        SSL_R_WRONG_VERSION_NUMBER: "the peer does not speak TLS here",
        SSL_R_UNSUPPORTED_PROTOCOL: "the peer offers no TLS version that is allowed here",
        SSL_R_NO_SHARED_CIPHER: "no cipher suite in common with the peer",
        SSL_R_NO_SHARED_GROUP: "no key exchange group in common with the peer",
        SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the peer sent no certificate and one is required",
        SSL_R_TLSV1_ALERT_UNKNOWN_CA: "the peer refused our certificate: it does not trust the CA that signed it",
        SSL_R_SSLV3_ALERT_BAD_CERTIFICATE: "the peer refused our certificate: bad certificate",
        SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: "the peer refused our certificate: it has expired",
        SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: "the peer refused our certificate: its name is not accepted there",
        SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED: "the peer requires a certificate and this side offers none",
        SSL_R_TLSV1_ALERT_ACCESS_DENIED: "the peer refused our certificate: access denied",
        SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: "the peer refused our TLS versions",
        SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "the peer accepts none of our application protocols (ALPN)",
        SSL_R_TLSV1_UNRECOGNIZED_NAME: "the peer does not know the server name (SNI) that was sent",
        SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: "the peer refused the handshake: nothing in common",
        SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: "a record was damaged on the way (bad record MAC)",
    ]
}
