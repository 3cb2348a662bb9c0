import CLinux
import EventLoop
import Glibc

/// Hands the listening sockets of a running proxy to the process that replaces it, over a Unix socket.
///
/// The successor connects and is sent, per listener, its address and sockets, then `end`. While it loads its configuration
/// the predecessor goes on serving. It says `serving` when its own workers accept; from then on the predecessor drains:
/// connections that wait in the sockets' queues are accepted by the successor, for they are the same sockets. A successor
/// that dies before it serves changes nothing.
enum HotRestart {
    static let serving = "serving"
    static let end = "end"

    /// What a predecessor handed over.
    struct Inheritance: Sendable {
        /// The connection on which to say that we serve.
        let predecessor: Int32
        let listeners: [SocketAddress: [Int32]]
    }

    /// Asks the process that listens at `path` for its sockets; nil when there is none.
    static func inherit(from path: String) throws(SocketError) -> Inheritance? {
        let connection = martlet_handover_connect(path)
        if connection == -ECONNREFUSED || connection == -ENOENT { return nil }
        guard connection >= 0 else { throw SocketError(what: "--hot-restart \(path)", code: -connection) }
        var listeners: [SocketAddress: [Int32]] = [:]
        while true {
            var text = [UInt8](repeating: 0, count: 512)
            var descriptors = [Int32](repeating: -1, count: 64)
            var count: Int32 = 0
            let received = martlet_handover_receive(connection, &text, text.count, &descriptors, &count)
            guard received > 0 else {
                for descriptor in listeners.values.joined() { close(descriptor) }
                close(connection)
                // It ended meanwhile: as if there had been none.
                if received == 0 { return nil }
                let reason = received == -Int(EAGAIN) ? " within 5 seconds (does it hang?)" : ""
                throw SocketError(
                    what: "--hot-restart \(path): the predecessor did not hand over\(reason)",
                    code: Int32(clamping: -received))
            }
            let name = String(decoding: text.prefix(received), as: UTF8.self)
            if name == end { return Inheritance(predecessor: connection, listeners: listeners) }
            let sockets = descriptors.prefix(Int(count))
            if let address = SocketAddress(name) {
                listeners[address, default: []] += sockets
            } else {
                for descriptor in sockets { close(descriptor) }
            }
        }
    }

    /// Tells the predecessor that its time is over.
    static func takeOver(from inheritance: Inheritance) {
        _ = martlet_handover_send(inheritance.predecessor, serving, serving.utf8.count, nil, 0)
        close(inheritance.predecessor)
    }
}

/// Waits for a successor at a path, on a thread of its own.
final class HotRestartServer: Sendable {
    private let loop = PollLoop()

    /// - Parameters:
    ///   - sockets: the listening sockets of now, by address.
    ///   - succeeded: called once, when a successor serves.
    init(
        path: String, sockets: @escaping @Sendable () -> [SocketAddress: [Int32]],
        succeeded: @escaping @Sendable () -> Void
    ) throws(SocketError) {
        let listener = martlet_handover_listen(path)
        guard listener >= 0 else { throw SocketError(what: "--hot-restart \(path)", code: -listener) }
        loop.start { HotRestartHandler(listener, sockets, succeeded) }
    }

    func stop() { loop.stop() }
}

private final class HotRestartHandler: PollLoop.Handler {
    private let listener: Int32
    private let sockets: @Sendable () -> [SocketAddress: [Int32]]
    private let succeeded: @Sendable () -> Void
    private var successors: Set<Int32> = []

    init(
        _ listener: Int32, _ sockets: @escaping @Sendable () -> [SocketAddress: [Int32]],
        _ succeeded: @escaping @Sendable () -> Void
    ) {
        self.listener = listener
        self.sockets = sockets
        self.succeeded = succeeded
    }

    deinit {
        close(listener)
        for successor in successors { close(successor) }
    }

    var interests: [PollLoop.Interest] {
        [PollLoop.Interest(descriptor: listener)] + successors.map { PollLoop.Interest(descriptor: $0) }
    }

    var deadline: ContinuousClock.Instant? { nil }

    func tick(_ now: ContinuousClock.Instant) {}

    func ready(_ descriptor: Int32, readable: Bool, writable: Bool) {
        if descriptor == listener { return welcome() }
        var text = [UInt8](repeating: 0, count: 64)
        var descriptors = [Int32](repeating: -1, count: 64)
        var count: Int32 = 0
        let received = martlet_handover_receive(descriptor, &text, text.count, &descriptors, &count)
        if received > 0, text.prefix(received).elementsEqual(HotRestart.serving.utf8) { succeeded() }
        successors.remove(descriptor)
        close(descriptor)
    }

    private func welcome() {
        let successor = accept(listener, nil, nil)
        guard successor >= 0 else { return }
        _ = fcntl(successor, F_SETFD, FD_CLOEXEC)
        for (address, sockets) in sockets() {
            let name = address.description
            for start in stride(from: 0, to: sockets.count, by: 64) {
                let part = Array(sockets[start..<min(sockets.count, start + 64)])
                _ = martlet_handover_send(successor, name, name.utf8.count, part, Int32(part.count))
            }
        }
        _ = martlet_handover_send(successor, HotRestart.end, HotRestart.end.utf8.count, nil, 0)
        successors.insert(successor)
    }
}
