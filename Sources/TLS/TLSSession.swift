private import CNIOBoringSSL
import Glibc

/// What a call of `TLSSession` ended with, and what the caller does next.
package enum TLSStatus: Sendable {
    /// Done: the handshake is complete, everything was written, or the plaintext window is full (read on when it is
    /// empty, before waiting for the socket: input may be left over).
    case done
    /// All ciphertext was consumed and more is needed.
    case wantsInput
    /// The output window is full: send it, then make the same call again.
    case wantsOutput
    /// The peer ended its side with close_notify. What was read before counts.
    case closed
    /// Broken for good; `TLSSession.failure` says why. An alert for the peer may be in the output window.
    case failed
}

/// The bytes that a call of `TLSSession` moved.
package struct TLSStep: Sendable {
    package var status: TLSStatus
    /// Ciphertext taken from the front of the input window.
    package var consumed: Int
    /// Ciphertext put at the front of the output window.
    package var produced: Int
    /// Plaintext read into, or taken from, the caller's plaintext window.
    package var plaintext: Int
}

/// One TLS connection without a socket: ciphertext goes in and out through byte windows that the caller owns and may move
/// between calls. Between calls an idle session holds no buffer: a partial record (at most 17 KB) is the only thing that
/// can be kept.
///
/// Calls, in this order: `handshake` until `.done`; `read` and `write` in any order; `shutdown`. Every call may produce
/// ciphertext, which must be sent in the order of the calls. One thread at a time.
package struct TLSSession: ~Copyable {
    // SAFETY: owned by this value alone (noncopyable), freed in deinit.
    private let state: UnsafeMutablePointer<SessionState>

    /// Room below which a `write` does not try: the overhead of a record and a byte.
    package static let minimumOutputRoom = 128
    /// Plaintext bytes of the largest record.
    package static let maximumRecord = 16384

    /// - Parameters:
    ///   - serverName: SNI of this connection (clients); nil takes the context's.
    ///   - protocols: what ALPN offers (clients), as `TLSContext.wireForm` makes it; nil takes the context's.
    package init(_ context: TLSContext, serverName: String? = nil, protocols: [UInt8]? = nil) throws(TLSError) {
        state = try Self.make(context, serverName)
        if let protocols { SSL_set_alpn_protos(state.pointee.ssl, protocols, protocols.count) }
    }

    private static func make(
        _ context: TLSContext,
        _ serverName: String?
    ) throws(TLSError) -> UnsafeMutablePointer<SessionState> {
        guard let ssl = SSL_new(context.library) else { throw .exhausted }
        let state = UnsafeMutablePointer<SessionState>.allocate(capacity: 1)
        state.initialize(to: SessionState(ssl: ssl, context: context))
        guard SSL_set_ex_data(ssl, 0, state) == 1, let bio = WindowBIO.make(state) else {
            free(state)
            throw .exhausted
        }
        SSL_set_bio(ssl, bio, bio)
        SSL_set_shed_handshake_config(ssl, 1)
        switch context.role {
        case .server: SSL_set_accept_state(ssl)
        case .client:
            SSL_set_connect_state(ssl)
            let name = serverName ?? context.serverName
            if let name { SSL_set_tlsext_host_name(ssl, name) }
            state.pointee.sessionName = name ?? ""
            context.sessions.offer(ssl, name: name ?? "")
        }
        return state
    }

    private static func free(_ state: UnsafeMutablePointer<SessionState>) {
        SSL_free(state.pointee.ssl)
        state.deinitialize(count: 1)
        state.deallocate()
    }

    deinit { Self.free(state) }

    // MARK: Moving bytes

    package func handshake(input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer) -> TLSStep {
        if state.pointee.isEstablished { return TLSStep(status: .done, consumed: 0, produced: 0, plaintext: 0) }
        lend(input, output)
        ERR_clear_error()
        let result = SSL_do_handshake(state.pointee.ssl)
        let status: TLSStatus
        if result == 1 {
            status = admitResumed() ? .done : .failed
            state.pointee.isEstablished = status == .done
        } else {
            status = explain(result)
        }
        return takeBack(input, output, status, plaintext: 0)
    }

    /// Decrypts as much as the plaintext window holds. `.wantsInput` means that everything there was has been read.
    package func read(
        input: UnsafeRawBufferPointer,
        output: UnsafeMutableRawBufferPointer,
        into plaintext: UnsafeMutableRawBufferPointer
    ) -> TLSStep {
        lend(input, output)
        var count = 0
        var status = TLSStatus.done
        if state.pointee.failure != nil {
            status = .failed
        } else if state.pointee.isClosedByPeer {
            status = .closed
        } else {
            ERR_clear_error()
            while count < plaintext.count, let base = plaintext.baseAddress {
                let room = Int32(clamping: plaintext.count - count)
                let result = SSL_read(state.pointee.ssl, base + count, room)
                if result > 0 {
                    count += Int(result)
                } else {
                    status = explain(result)
                    break
                }
            }
        }
        return takeBack(input, output, status, plaintext: count)
    }

    /// Encrypts `first` and then `second`, as few records as possible: two small pieces (head and body) become one record.
    ///
    /// `plaintext` of the step counts over both. After `.wantsOutput` the same bytes, less those counted, must come again:
    /// their record may already be sealed. The output window must not overlap the plaintext.
    package func write(
        _ first: UnsafeRawBufferPointer,
        _ second: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        output: UnsafeMutableRawBufferPointer
    ) -> TLSStep {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        lend(nothing, output)
        guard state.pointee.failure == nil, state.pointee.isEstablished else {
            return takeBack(nothing, output, state.pointee.failure == nil ? .wantsInput : .failed, plaintext: 0)
        }
        ERR_clear_error()
        let total = first.count + second.count
        var written = 0
        var status = TLSStatus.done
        while written < total {
            let wanted: Int
            if state.pointee.sealed > 0 {
                wanted = min(state.pointee.sealed, total - written)
            } else {
                let room = state.pointee.outputRoom - SSL_max_seal_overhead(state.pointee.ssl)
                wanted = min(total - written, room, Self.maximumRecord)
                // A sliver of a record costs as much as a whole one: wait for an empty window instead.
                guard wanted > 0, wanted == total - written || wanted >= 1024 || written == 0 else {
                    status = .wantsOutput
                    break
                }
            }
            let result = seal(first, second, from: written, count: wanted)
            if result > 0 {
                state.pointee.sealed = 0
                written += Int(result)
            } else {
                status = explain(result)
                if status == .wantsOutput { state.pointee.sealed = wanted }
                break
            }
        }
        return takeBack(nothing, output, status, plaintext: written)
    }

    /// Sends close_notify. `.done` when it is in the output window (or nothing is to be sent); the peer's own
    /// close_notify, if it matters, is awaited with `read`.
    package func shutdown(output: UnsafeMutableRawBufferPointer) -> TLSStep {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        lend(nothing, output)
        var status = TLSStatus.done
        if state.pointee.isEstablished, state.pointee.failure == nil {
            ERR_clear_error()
            let result = SSL_shutdown(state.pointee.ssl)
            if result < 0, SSL_get_error(state.pointee.ssl, result) == SSL_ERROR_WANT_WRITE { status = .wantsOutput }
            ERR_clear_error()
        }
        return takeBack(nothing, output, status, plaintext: 0)
    }

    // MARK: What was agreed

    package var isEstablished: Bool { state.pointee.isEstablished }

    /// Plaintext is decrypted and waits inside: `read` again without waiting for the socket.
    package var hasBufferedPlaintext: Bool { SSL_pending(state.pointee.ssl) > 0 }

    /// Why the session is `.failed`, worded for an operator.
    package var failure: String? { state.pointee.failure }

    /// The peer's leaf; nil when it sent none. Names are parsed once per certificate, not per session.
    package var peer: TLSCertificate? { state.pointee.peer }

    package var context: TLSContext { state.pointee.context }

    package var version: TLSConfiguration.Version? {
        guard isEstablished else { return nil }
        switch Int32(SSL_version(state.pointee.ssl)) {
        case TLS1_VERSION: return .tls10
        case TLS1_1_VERSION: return .tls11
        case TLS1_2_VERSION: return .tls12
        default: return .tls13
        }
    }

    /// "TLS_AES_128_GCM_SHA256" and so on; nil before the handshake.
    package var cipherSuite: String? {
        guard let cipher = SSL_get_current_cipher(state.pointee.ssl), let name = SSL_CIPHER_standard_name(cipher) else {
            return nil
        }
        return String(cString: name)
    }

    /// The agreed ALPN protocol; empty without agreement.
    package var applicationProtocol: String {
        withApplicationProtocol { String(decoding: $0, as: UTF8.self) }
    }

    /// As `applicationProtocol`, without making a String.
    package func withApplicationProtocol<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        var bytes: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(state.pointee.ssl, &bytes, &count)
        return body(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
    }

    /// The server name: sent (client) or received (server). Known until the session is idle for the first time on servers
    /// that negotiated TLS 1.2 or 1.3 alike.
    package var serverName: String? {
        guard let name = SSL_get_servername(state.pointee.ssl, TLSEXT_NAMETYPE_host_name) else { return nil }
        return String(cString: name)
    }

    /// Whether the handshake was a short one, with a session from before.
    package var isResumed: Bool { SSL_session_reused(state.pointee.ssl) == 1 }

    // MARK: Inside

    /// The peer of a short handshake shows no certificate: the one in its session is checked as if it came now (it may
    /// have expired), and says who it is.
    private func admitResumed() -> Bool {
        guard isResumed, let chain = SSL_get0_peer_certificates(state.pointee.ssl), OPENSSL_sk_num(chain) > 0 else {
            return true
        }
        guard let alert = state.pointee.verify(chain) else { return true }
        SSL_send_fatal_alert(state.pointee.ssl, alert)
        return false
    }

    private func lend(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) {
        state.pointee.input = input.baseAddress
        state.pointee.inputCount = input.count
        state.pointee.output = output.baseAddress
        state.pointee.outputRoom = output.count
    }

    private func takeBack(
        _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer,
        _ status: TLSStatus,
        plaintext: Int
    ) -> TLSStep {
        let step = TLSStep(
            status: status,
            consumed: input.count - state.pointee.inputCount,
            produced: output.count - state.pointee.outputRoom,
            plaintext: plaintext
        )
        state.pointee.input = nil
        state.pointee.inputCount = 0
        state.pointee.output = nil
        state.pointee.outputRoom = 0
        return step
    }

    /// One SSL_write over bytes `from ..< from + count` of the two pieces.
    private func seal(
        _ first: UnsafeRawBufferPointer,
        _ second: UnsafeRawBufferPointer,
        from: Int,
        count: Int
    ) -> Int32 {
        if from + count <= first.count, let base = first.baseAddress {
            return SSL_write(state.pointee.ssl, base + from, Int32(count))
        }
        if from >= first.count, let base = second.baseAddress {
            return SSL_write(state.pointee.ssl, base + (from - first.count), Int32(count))
        }
        // The record spans both pieces. The library seals the whole record into its own buffer before it writes any of it
        // out, so the output window itself can hold the joined plaintext until then; a record that was sealed earlier and
        // waits for room is not read again, only its length counts.
        guard let output = state.pointee.output, let head = first.baseAddress, let tail = second.baseAddress else {
            return SSL_write(state.pointee.ssl, first.baseAddress, Int32(max(first.count - from, 0)))
        }
        if state.pointee.sealed > 0 { return SSL_write(state.pointee.ssl, head, Int32(count)) }
        let headCount = first.count - from
        memcpy(output, head + from, headCount)
        memcpy(output + headCount, tail, count - headCount)
        return SSL_write(state.pointee.ssl, output, Int32(count))
    }

    private func explain(_ result: Int32) -> TLSStatus {
        switch SSL_get_error(state.pointee.ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsInput
        case SSL_ERROR_WANT_WRITE: return .wantsOutput
        case SSL_ERROR_ZERO_RETURN:
            state.pointee.isClosedByPeer = true
            return .closed
        default:
            let reason = LibraryError.takeSessionReason()
            if state.pointee.failure == nil { state.pointee.failure = reason }
            return .failed
        }
    }
}
