internal import EventLoop
internal import Memory
internal import TLS

/// How many refusals of a kind the log of a worker has had lately: strangers must not be able to fill it.
struct RefusalWindow {
    enum Kind: Int { case unmatched, handshake }

    static let most = 20
    static let milliseconds: UInt64 = 10_000

    private var start: UInt64 = 0
    private var lines = 0

    /// Whether one more line may be written, and how many were left out before.
    mutating func admit(_ now: UInt64) -> (isWritten: Bool, hidden: Int) {
        var hidden = 0
        if now &- start >= Self.milliseconds {
            hidden = max(0, lines - Self.most)
            start = now
            lines = 0
        }
        lines += 1
        return (lines <= Self.most, hidden)
    }
}

/// Connections that never become requests have no access log line: why they were refused is said here.
extension Worker where Wire: ~Copyable {
    /// No filter chain takes the connection.
    mutating func reportUnmatched(_ handle: Handle, _ found: Inspection) {
        let generation = connections[handle].generation
        let listener = connections[handle].listener
        let port = connections[handle].local.port
        let wantsTLS = generations[generation].chains.contains { chain in
            chain.listener == listener && chain.descriptor.tls != nil
                && (chain.descriptor.match.destinationPort ?? port) == port
        }
        if found.isTLS {
            let name = found.serverName.isEmpty ? "no server name" : "the server name \(found.serverName)"
            reportRefusal(handle, .unmatched, "no filter chain takes TLS with \(name) and \(found.protocols)")
        } else {
            reportRefusal(
                handle, .unmatched,
                wantsTLS ? "plaintext, where only TLS is taken" : "no filter chain serves the address")
        }
    }

    /// A TLS handshake failed.
    mutating func reportHandshake(_ handle: Handle) {
        let failure = connections[handle].session?.failure ?? "the peer ended the TLS handshake"
        reportRefusal(handle, .handshake, failure)
    }

    private mutating func reportRefusal(
        _ handle: Handle, _ kind: RefusalWindow.Kind, _ reason: @autoclosure () -> String
    ) {
        guard let warn = settings.warn else { return }
        let (isWritten, hidden) = refusals[kind.rawValue].admit(now)
        if hidden > 0 { warn("\(hidden) more connections were refused like these") }
        guard isWritten else { return }
        let listener = generations[connections[handle].generation].snapshot.listeners[connections[handle].listener]
        let (client, place) = (connections[handle].remote, connections[handle].local)
        warn("refused \(client) at \(place) (listener \(listener.name)): \(reason())")
    }
}
