import EventLoop
import Proxy

/// A client that writes HTTP/2 frames of its own making, legal or not, and reads nothing but frame headers.
final class RawStreams {
    struct Frame: Equatable {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var payload: [UInt8]

        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let goAway: UInt8 = 7
    }

    let world: Simulation
    let socket: Int32
    private var unread: [UInt8] = []

    /// Connects and sends the preface with empty settings, and `more` in the same write.
    init(_ world: Simulation, then more: [UInt8] = []) {
        self.world = world
        socket = world.dial()
        send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(4, 0, 0, []) + Self.frame(4, 1, 0, []) + more)
    }

    func send(_ bytes: [UInt8]) { world.proxy.world { $0.deliver(bytes, to: socket) } }

    /// The frames that have come since the last call.
    func frames() -> [Frame] {
        unread += world.proxy.world { $0.takeSent(socket) }
        var frames: [Frame] = []
        while unread.count >= 9 {
            let length = Int(unread[0]) << 16 | Int(unread[1]) << 8 | Int(unread[2])
            guard unread.count >= 9 + length else { break }
            let stream = unread[5..<9].reduce(0) { $0 << 8 | UInt32($1) }
            frames.append(
                Frame(type: unread[3], flags: unread[4], stream: stream, payload: Array(unread[9..<9 + length])))
            unread.removeFirst(9 + length)
        }
        return frames
    }

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + [UInt8(stream >> 24), UInt8(stream >> 16 & 255), UInt8(stream >> 8 & 255), UInt8(stream & 255)] + payload
    }

    static func goAway() -> [UInt8] { frame(Frame.goAway, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]) }

    static func data(_ stream: UInt32, _ text: String, ends: Bool = false) -> [UInt8] {
        frame(Frame.data, ends ? 1 : 0, stream, Array(text.utf8))
    }

    /// A GET for `path`.
    static func get(_ stream: UInt32, _ path: String, host: String? = "x") -> [UInt8] {
        let authority = host.map { [0x01] + string($0) } ?? []
        return frame(Frame.headers, 5, stream, [0x82, 0x86, 0x04] + string(path) + authority)
    }

    /// A CONNECT to `authority`; with `protocolName` one that asks for an upgrade.
    static func connect(_ stream: UInt32, _ authority: String, protocolName: String? = nil) -> [UInt8] {
        var block = [0x02] + string("CONNECT") + [0x01] + string(authority)
        if let protocolName { block += [0x86, 0x84, 0x00] + string(":protocol") + string(protocolName) }
        return frame(Frame.headers, 4, stream, block)
    }

    private static func string(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
}

extension [RawStreams.Frame] {
    /// The status in the head of a stream, where it stands in HPACK's static table.
    func status(_ stream: UInt32) -> Int? {
        let known: [UInt8: Int] = [0x88: 200, 0x89: 204, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500]
        return first { $0.type == RawStreams.Frame.headers && $0.stream == stream }?.payload.first.flatMap { known[$0] }
    }

    func body(_ stream: UInt32) -> String {
        String(
            decoding: filter { $0.type == RawStreams.Frame.data && $0.stream == stream }.flatMap(\.payload),
            as: UTF8.self)
    }
}
