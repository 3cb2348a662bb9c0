private import CNIOBoringSSL
import Glibc

/// Everything sessions of one kind have in common: certificate and key, trust, names, versions. Immutable and shared by
/// all workers; a rotated certificate is a new context for new sessions, while old sessions keep theirs.
package final class TLSContext: Sendable {
    /// An SSL_CTX: configured in init only; SSL_new may be called from several threads.
    private let owned: LibraryObject
    var library: OpaquePointer { owned.pointer }
    let verifier: PeerVerifier
    /// Length-prefixed, as ALPN has it on the wire.
    let protocols: [UInt8]

    package let role: TLSConfiguration.Role
    package let serverName: String?
    /// Our own leaf: for the XFCC header's `By` and for the admin server. Nil when no certificate is offered.
    package let certificate: TLSCertificate?
    /// Clients: what servers gave for short handshakes.
    let sessions = SessionStore()
    /// An hour: less than workload certificates live.
    private static let ticketSeconds: UInt32 = 3600

    /// The bundle that peers are checked against.
    package let trustAnchors: [TLSCertificate]

    package init(_ configuration: TLSConfiguration) throws(TLSError) {
        guard let library = SSL_CTX_new(TLS_with_buffers_method()) else { throw .exhausted }
        owned = LibraryObject(library) { SSL_CTX_free($0) }
        role = configuration.role
        serverName = configuration.serverName
        for name in configuration.applicationProtocols where !(1...255).contains(name.utf8.count) {
            throw .badSetting(what: "ALPN protocol", value: name, reason: "its length must be 1 to 255")
        }
        let wire = Self.wireForm(configuration.applicationProtocols)
        protocols = wire
        let store = configuration.acceptUntrusted ? nil : try CertificateStore(configuration.trustAnchors)
        let checksNothing = configuration.verification == .none
        verifier = PeerVerifier(
            trust: checksNothing ? nil : store,
            matchers: checksNothing ? [] : configuration.subjectAlternativeNames,
            pins: checksNothing
                ? CertificatePins()
                : CertificatePins(keys: configuration.pinnedKeys, certificates: configuration.pinnedCertificates),
            peerIs: configuration.role == .client ? .server : .client
        )
        trustAnchors = store?.anchors ?? []
        certificate = try Self.install(configuration, in: library)
        try Self.limit(configuration, in: library)
        Self.tune(library, configuration)
        SSL_CTX_set_custom_verify(library, Self.mode(configuration), verifyPeer)
        if role == .client {
            SSL_CTX_set_alpn_protos(library, wire, wire.count)
        } else if !wire.isEmpty {
            SSL_CTX_set_alpn_select_cb(library, selectProtocol, nil)
        }
    }

    /// Names of ALPN protocols (1 to 255 bytes each) as they stand on the wire: each behind its length.
    package static func wireForm(_ names: [String]) -> [UInt8] {
        var wire: [UInt8] = []
        for name in names {
            wire.append(UInt8(clamping: name.utf8.count))
            wire.append(contentsOf: name.utf8)
        }
        return wire
    }

    /// Whether sessions offer, or accept, no protocol by ALPN.
    package var offersNothing: Bool { protocols.isEmpty }

    /// Whether `name` is among the protocols.
    package func offers(_ name: String) -> Bool {
        let wanted = Self.wireForm([name])
        var index = 0
        while index < protocols.count {
            let end = min(index + 1 + Int(protocols[index]), protocols.count)
            if protocols[index..<end].elementsEqual(wanted) { return true }
            index = end
        }
        return false
    }

    private static func mode(_ configuration: TLSConfiguration) -> Int32 {
        switch (configuration.role, configuration.verification) {
        // A client looks at the server's certificate even when it accepts any: the names go to the logs.
        case (.client, _): SSL_VERIFY_PEER
        case (.server, .none): SSL_VERIFY_NONE
        case (.server, .optional): SSL_VERIFY_PEER
        case (.server, .required): SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        }
    }

    private static func install(
        _ configuration: TLSConfiguration,
        in library: OpaquePointer
    ) throws(TLSError) -> TLSCertificate? {
        guard let first = try OwnCertificate(configuration.certificateChain, configuration.privateKey) else {
            if configuration.role == .server { throw .noCertificate(what: "certificate chain") }
            return nil
        }
        var all = [first]
        for further in configuration.furtherCertificates {
            guard let own = try OwnCertificate(further.chain, further.key) else {
                throw .noCertificate(what: "certificate chain")
            }
            all.append(own)
        }
        if all.count == 1 {
            try first.install(in: library)
        } else {
            let ordered = all.filter(\.isEllipticCurve) + all.filter { !$0.isEllipticCurve }
            for own in ordered { try own.add(to: library) }
        }
        return first.leaf
    }

    private static func limit(_ configuration: TLSConfiguration, in library: OpaquePointer) throws(TLSError) {
        func number(_ version: TLSConfiguration.Version) -> UInt16 {
            switch version {
            case .tls10: UInt16(TLS1_VERSION)
            case .tls11: UInt16(TLS1_1_VERSION)
            case .tls12: UInt16(TLS1_2_VERSION)
            case .tls13: UInt16(TLS1_3_VERSION)
            }
        }
        guard configuration.minimumVersion <= configuration.maximumVersion,
            SSL_CTX_set_min_proto_version(library, number(configuration.minimumVersion)) == 1,
            SSL_CTX_set_max_proto_version(library, number(configuration.maximumVersion)) == 1
        else {
            throw .badSetting(
                what: "TLS version range",
                value: "\(configuration.minimumVersion)...\(configuration.maximumVersion)",
                reason: "the minimum is above the maximum"
            )
        }
        let suites =
            configuration.cipherSuites.isEmpty && configuration.role == .server
            ? serverSuites : configuration.cipherSuites
        if !suites.isEmpty {
            let list = suites.joined(separator: ":")
            guard SSL_CTX_set_strict_cipher_list(library, list) == 1 else {
                throw .badSetting(what: "cipher suites", value: list, reason: LibraryError.take())
            }
        }
        let curves = configuration.curves.isEmpty ? "X25519:P-256:P-384" : configuration.curves.joined(separator: ":")
        guard SSL_CTX_set1_groups_list(library, curves) == 1 else {
            throw .badSetting(what: "curves", value: curves, reason: LibraryError.take())
        }
    }

    /// What servers take in TLS 1.2 unless told otherwise: forward secrecy and authenticated encryption only (Envoy's list,
    /// Mozilla's profile "intermediate"). Suites in brackets are equal, and the client's hardware chooses.
    private static let serverSuites = [
        "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
        "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ]

    private static func tune(_ library: OpaquePointer, _ configuration: TLSConfiguration) {
        // Partial writes and moving buffers: the caller's bytes live in pooled buffers that move between calls.
        SSL_CTX_set_mode(library, UInt32(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        SSL_CTX_set_session_cache_mode(library, SSL_SESS_CACHE_OFF)
        if configuration.role == .server { SSL_CTX_set_options(library, UInt32(SSL_OP_CIPHER_SERVER_PREFERENCE)) }
        if !configuration.resumesSessions {
            SSL_CTX_set_options(library, UInt32(SSL_OP_NO_TICKET))
        } else if configuration.role == .client {
            SSL_CTX_set_session_cache_mode(library, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
            SSL_CTX_sess_set_new_cb(library, keepSession)
        } else {
            // The keys of tickets are this context's own, made by the library, so the name of the context may be fixed.
            let name = Array("martlet".utf8)
            SSL_CTX_set_session_id_context(library, name, name.count)
            SSL_CTX_set_timeout(library, ticketSeconds)
            SSL_CTX_set_session_psk_dhe_timeout(library, ticketSeconds)
        }
        // Without tickets the verdict and the names are ours after the handshake: the chain need not stay in each session.
        let keepsChain = configuration.role == .client || configuration.resumesSessions
        SSL_CTX_set_retain_only_sha256_of_client_certs(library, keepsChain ? 0 : 1)
        if let pool = SharedBuffers.pool { SSL_CTX_set0_buffer_pool(library, pool) }
    }
}

/// One copy of each certificate's bytes in the process, however many connections present it.
private enum SharedBuffers {
    // SAFETY: the pool locks itself; made once, never freed.
    nonisolated(unsafe) static let pool: OpaquePointer? = CRYPTO_BUFFER_POOL_new()
}

/// The library asks for the verdict on the peer's chain.
private func verifyPeer(_ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<UInt8>?) -> ssl_verify_result_t {
    guard let state = SessionState.of(ssl), let chain = SSL_get0_peer_certificates(ssl) else {
        return ssl_verify_invalid
    }
    guard let code = state.pointee.verify(chain) else { return ssl_verify_ok }
    alert?.pointee = code
    return ssl_verify_invalid
}

extension SessionState {
    /// Checks the peer's chain and keeps who it is, or why it is refused.
    /// - Returns: the alert for a peer that is refused.
    mutating func verify(_ chain: OpaquePointer) -> UInt8? {
        switch context.verifier.verify(chain: chain, now: Int64(time(nil))) {
        case .good(let found):
            peer = found
            return nil
        case .refused(let reason, let alert):
            failure = reason
            return alert
        }
    }
}

/// The server's choice: its own first protocol that the client also has; no common one means no ALPN, as Envoy does.
private func selectProtocol(
    _ ssl: OpaquePointer?,
    _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedCount: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let state = SessionState.of(ssl), let offered else { return SSL_TLSEXT_ERR_NOACK }
    let ours = state.pointee.context.protocols
    let theirs = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    var own = 0
    while own < ours.count {
        let length = Int(ours[own])
        var at = 0
        // SAFETY: the library checked the offer's framing before it calls; the bounds below keep us inside it anyway.
        while at < theirs.count, at + 1 + Int(theirs[at]) <= theirs.count {
            if Int(theirs[at]) == length,
                theirs[(at + 1)..<(at + 1 + length)].elementsEqual(ours[(own + 1)...(own + length)])
            {
                selected?.pointee = offered + at + 1
                selectedCount?.pointee = UInt8(length)
                return SSL_TLSEXT_ERR_OK
            }
            at += 1 + Int(theirs[at])
        }
        own += 1 + length
    }
    return SSL_TLSEXT_ERR_NOACK
}
