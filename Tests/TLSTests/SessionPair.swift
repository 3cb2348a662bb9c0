import TLS

/// How bytes are cut on their way between two sessions.
struct Cut: Sendable, CustomStringConvertible {
    /// Ciphertext bytes that a call gets to see at most beyond what it saw before.
    var input = Int.max
    /// Room that a call gets for ciphertext.
    var output = 64 * 1024
    var description: String { "input \(input == Int.max ? "whole" : "\(input)"), output \(output)" }
}

/// One side: a session with the bytes that wait for it.
final class Side {
    private let session: TLSSession
    var inbox: [UInt8] = []
    var outbox: [UInt8] = []
    var received: [UInt8] = []
    var status = TLSStatus.wantsInput
    let cut: Cut

    init(_ context: TLSContext, cut: Cut, serverName: String? = nil) throws {
        session = try TLSSession(context, serverName: serverName)
        self.cut = cut
    }

    // The test macros cannot look into a noncopyable value.
    var isEstablished: Bool { session.isEstablished }
    var isResumed: Bool { session.isResumed }
    var version: TLSConfiguration.Version? { session.version }
    var cipherSuite: String? { session.cipherSuite }
    var applicationProtocol: String { session.applicationProtocol }
    var serverName: String? { session.serverName }
    var peer: TLSCertificate? { session.peer }
    var failure: String? { session.failure }
    var hasBufferedPlaintext: Bool { session.hasBufferedPlaintext }

    /// Handshakes or reads with what has arrived. True when bytes moved.
    func turn() -> Bool {
        let shown = min(cut.input, inbox.count)
        var room = [UInt8](repeating: 0, count: cut.output)
        var plaintext = [UInt8](repeating: 0, count: 1000)
        let step = inbox.withUnsafeBytes { input in
            room.withUnsafeMutableBytes { output in
                plaintext.withUnsafeMutableBytes { destination in
                    let window = UnsafeRawBufferPointer(rebasing: input[..<shown])
                    return session.isEstablished
                        ? session.read(input: window, output: output, into: destination)
                        : session.handshake(input: window, output: output)
                }
            }
        }
        inbox.removeFirst(step.consumed)
        outbox += room[..<step.produced]
        received += plaintext[..<step.plaintext]
        status = step.status
        return step.consumed + step.produced + step.plaintext > 0
    }

    /// Encrypts everything, window by window.
    func write(_ head: [UInt8], _ body: [UInt8] = []) -> TLSStatus {
        var sent = 0
        while true {
            var room = [UInt8](repeating: 0, count: cut.output)
            let step = head.withUnsafeBytes { first in
                body.withUnsafeBytes { second in
                    room.withUnsafeMutableBytes { output in
                        session.write(
                            UnsafeRawBufferPointer(rebasing: first[min(sent, first.count)...]),
                            UnsafeRawBufferPointer(rebasing: second[max(0, sent - first.count)...]),
                            output: output
                        )
                    }
                }
            }
            outbox += room[..<step.produced]
            sent += step.plaintext
            guard step.status == .wantsOutput, step.produced > 0 else { return step.status }
        }
    }

    func shutdown() {
        var room = [UInt8](repeating: 0, count: 1024)
        let step = room.withUnsafeMutableBytes { session.shutdown(output: $0) }
        outbox += room[..<step.produced]
    }
}

/// A client and a server in one memory.
final class SessionPair {
    let client: Side
    let server: Side

    init(client: TLSContext, server: TLSContext, cut: Cut = Cut(), serverName: String? = nil) throws {
        self.client = try Side(client, cut: cut, serverName: serverName)
        self.server = try Side(server, cut: cut)
    }

    /// Moves bytes until nothing moves any more.
    func run() {
        var moved = true
        while moved {
            moved = client.turn()
            server.inbox += client.outbox
            moved = !client.outbox.isEmpty || moved
            client.outbox = []
            moved = server.turn() || moved
            client.inbox += server.outbox
            moved = !server.outbox.isEmpty || moved
            server.outbox = []
        }
    }
}
