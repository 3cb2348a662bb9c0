import EventLoop
import Proxy

/// A client with a plan of requests on one connection, and what it has seen of them.
struct SimulatedClient {
    enum End { case open, ended, reset }

    struct Planned {
        var id: Int
        var isHead: Bool
        var isDirect: Bool
    }

    let socket: Int32
    private(set) var planned: [Planned] = []
    private var toSend: ArraySlice<UInt8> = []
    private var reader = WireReader(readsRequests: false)
    private(set) var answers: [WireReader.Message] = []
    private(set) var end = End.open
    /// Does nothing until this time.
    private var pausedUntil: UInt64 = 0
    private var stallsForEver = false

    init(number: Int, socket: Int32, _ scenario: Scenario, _ random: inout Random) {
        self.socket = socket
        var bytes: [UInt8] = []
        for index in 0..<(1 + random.below(scenario.requestsPerClient)) {
            let id = number << 16 | index
            let isDirect = random.below(12) == 0
            let method = ["GET", "GET", "HEAD", "POST", "POST", "PUT"][random.below(6)]
            let body = method == "POST" || method == "PUT" ? random.bytes(random.below(scenario.largestBody)) : []
            planned.append(Planned(id: id, isHead: method == "HEAD", isDirect: isDirect))
            let path = isDirect ? "/direct" : random.below(2) == 0 ? "/a/\(id)" : "/b/\(id)"
            bytes += Array(
                "\(method) \(path) HTTP/1.1\r\nhost: sim\r\nx-sim: \(id)\r\nx-sum: \(Checksum.of(body))\r\n".utf8)
            if body.isEmpty, random.below(2) == 0 {
                bytes += [13, 10]
            } else if random.below(2) == 0 {
                bytes += Array("content-length: \(body.count)\r\n\r\n".utf8) + body
            } else {
                bytes += Array("transfer-encoding: chunked\r\n\r\n".utf8) + chunked(body, &random)
            }
        }
        toSend = bytes[...]
    }

    /// Answered all it asked, or its connection is over.
    func isDone(_ proxy: SimulatedProxy) -> Bool {
        end != .open || answers.count == planned.count || proxy.world { $0.isClosed(socket) }
    }

    /// Sends some of what is left to send, or does something unkind.
    mutating func act(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) {
        guard end == .open, !stallsForEver, proxy.now >= pausedUntil else { return }
        if random.below(1000) < scenario.clientTrouble {
            switch random.below(4) {
            case 0: return reset(proxy)
            case 1: return finish(proxy)
            case 2: stallsForEver = random.below(8) == 0
            default: pausedUntil = proxy.now + UInt64(random.below(3_000))
            }
        }
        guard !toSend.isEmpty, random.below(3) > 0 else { return }
        let part = toSend.prefix(1 + random.below(random.below(4) == 0 ? 20 : 9_000))
        toSend = toSend.dropFirst(part.count)
        proxy.world { $0.deliver(Array(part), to: socket) }
    }

    /// Reads what the proxy has sent.
    mutating func listen(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) throws {
        let limit = scenario.isSlow ? 1 + random.below(700) : Int.max
        var bytes = proxy.world { $0.takeSent(socket, atMost: limit) }[...]
        while !bytes.isEmpty {
            reader.answersHead = answers.count < planned.count && planned[answers.count].isHead
            guard let message = try reader.read(&bytes) else { break }
            try accept(message)
        }
    }

    private mutating func accept(_ message: WireReader.Message) throws {
        if message.status < 200 { return }
        guard answers.count < planned.count else { throw Broken("client \(socket): one answer too many") }
        let asked = planned[answers.count]
        if let id = message.id, id != asked.id { throw Broken("request \(asked.id) got the answer to \(id)") }
        if message.id == nil, ![404, 408, 418, 500, 502, 503, 504].contains(message.status) {
            throw Broken("request \(asked.id): the proxy answered \(message.status)")
        }
        if asked.isDirect, ![418, 408].contains(message.status) {
            throw Broken("/direct was answered \(message.status)")
        }
        if message.id != nil, !asked.isHead, !message.isIntact {
            throw Broken("request \(asked.id): the body of its answer is not what the endpoint sent")
        }
        answers.append(message)
    }

    mutating func reset(_ proxy: SimulatedProxy) {
        end = .reset
        proxy.world { $0.reset(socket) }
    }

    mutating func finish(_ proxy: SimulatedProxy) {
        guard end == .open else { return }
        end = .ended
        proxy.world { $0.end(socket) }
    }

    /// A response that stopped in the middle must show as such: the connection is over.
    func checkEnd(_ proxy: SimulatedProxy) throws {
        let isOver = end != .open || proxy.world { $0.isClosed(socket) || $0.isEnded(socket) }
        if answers.count < planned.count, !isOver, toSend.isEmpty {
            throw Broken("client \(socket): \(answers.count) of \(planned.count) answers, and the connection is open")
        }
    }
}

/// An invariant that does not hold.
struct Broken: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A body in chunks of random size.
func chunked(_ body: [UInt8], _ random: inout Random) -> [UInt8] {
    var result: [UInt8] = []
    var rest = body[...]
    while !rest.isEmpty {
        let part = rest.prefix(1 + random.below(random.below(3) == 0 ? 30 : 5_000))
        result += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + [13, 10]
        rest = rest.dropFirst(part.count)
    }
    return result + Array("0\r\n\r\n".utf8)
}
