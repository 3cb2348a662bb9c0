private import CNIOBoringSSL
import Synchronization

/// The sessions that servers gave to the clients of one context, by server name: each shortens one later handshake
/// (RFC 8446 section 4.6.1). They go with the context, so none survives another certificate or trust bundle.
final class SessionStore: Sendable {
    /// A session that this value owns.
    private struct Owned: @unchecked Sendable {  // SAFETY: SSL_SESSION is reference counted and not changed any more.
        let session: OpaquePointer
    }

    /// Names beyond this many make the store start afresh.
    private static let nameLimit = 64

    private let sessions = Mutex<[String: Owned]>([:])

    deinit {
        sessions.withLock { sessions in
            for owned in sessions.values { SSL_SESSION_free(owned.session) }
            sessions = [:]
        }
    }

    /// Keeps a session, which it owns from now on, in place of the one before.
    func put(_ session: OpaquePointer, name: String) {
        sessions.withLock { sessions in
            if sessions[name] == nil, sessions.count >= Self.nameLimit {
                for owned in sessions.values { SSL_SESSION_free(owned.session) }
                sessions.removeAll(keepingCapacity: true)
            }
            if let old = sessions.updateValue(Owned(session: session), forKey: name) { SSL_SESSION_free(old.session) }
        }
    }

    /// Presents the session for `name` in a handshake to come. One of TLS 1.3 is for one use (RFC 8446 appendix C.4) and
    /// is taken out; an older one serves until the server gives another.
    func offer(_ ssl: OpaquePointer, name: String) {
        sessions.withLock { sessions in
            guard let owned = sessions[name] else { return }
            SSL_set_session(ssl, owned.session)
            guard SSL_SESSION_should_be_single_use(owned.session) == 1 else { return }
            sessions[name] = nil
            SSL_SESSION_free(owned.session)
        }
    }
}

/// The library has a session for the client; 1 takes it over.
func keepSession(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    guard let state = SessionState.of(ssl), let session else { return 0 }
    state.pointee.context.sessions.put(session, name: state.pointee.sessionName)
    return 1
}
