import EventLoop
import Proxy

/// The far end of one connection that the proxy opened: it checks what it is asked, and answers well or badly.
struct SimulatedEndpoint {
    let socket: Int32
    private var reader = WireReader(readsRequests: true)
    private var outgoing: ArraySlice<UInt8> = []
    private var sendsAt: UInt64 = 0
    private var endsAfterSending = false
    private(set) var isOver = false
    /// Answered before the request was whole.
    private var answeredEarly = false
    private var sawHead = false

    init(socket: Int32) { self.socket = socket }

    /// Reads requests and writes answers; `onHead` is told of each request that arrives.
    mutating func act(
        _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random,
        onHead: (WireReader.Message) throws -> Void
    ) throws {
        guard !isOver else { return }
        var bytes = proxy.world { $0.takeSent(socket, atMost: scenario.isSlow ? 1 + random.below(700) : .max) }[...]
        while !bytes.isEmpty {
            let whole = try reader.read(&bytes)
            if !sawHead, whole != nil || reader.isPastHead {
                sawHead = true
                try onHead(whole ?? reader.current)
            }
            if let whole {
                sawHead = false
                guard whole.isIntact else { throw Broken("request \(whole.id ?? -1): its body arrived changed") }
                if answeredEarly { answeredEarly = false } else { answer(whole, proxy, scenario, &random) }
            }
        }
        if sawHead, !answeredEarly, random.below(2_000) < scenario.endpointTrouble / 4, let id = reader.current.id {
            answeredEarly = true
            answer(reader.current, proxy, scenario, &random, id: id)
        }
        send(proxy, &random)
    }

    private mutating func send(_ proxy: SimulatedProxy, _ random: inout Random) {
        guard !isOver, proxy.now >= sendsAt else { return }
        if !outgoing.isEmpty {
            let part = outgoing.prefix(1 + random.below(random.below(4) == 0 ? 20 : 8_000))
            outgoing = outgoing.dropFirst(part.count)
            proxy.world { $0.deliver(Array(part), to: socket) }
        }
        if outgoing.isEmpty, endsAfterSending { finish(proxy) }
    }

    private mutating func answer(
        _ request: WireReader.Message, _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random,
        id: Int? = nil
    ) {
        let isHead = request.method == "HEAD"
        var bytes = outgoing.isEmpty ? [] : Array(outgoing)
        if random.below(20) == 0 { bytes += Array("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".utf8) }
        let trouble = random.below(1000) < scenario.endpointTrouble ? 1 + random.below(7) : 0
        if trouble == 1 {
            isOver = true
            return proxy.world { $0.reset(socket) }
        }
        if trouble == 2 { return finish(proxy) }
        // Never answers.
        if trouble == 3 { return }
        let status = trouble == 4 ? 503 : [200, 200, 200, 204, 404, 500][random.below(6)]
        let body = status == 204 ? [] : random.bytes(random.below(scenario.largestBody))
        var head = "HTTP/1.1 \(status) Text\r\nx-sim: \(request.id ?? -1)\r\nx-sum: \(Checksum.of(body))\r\n"
        var payload: [UInt8] = []
        let style = status == 204 ? 3 : random.below(isHead ? 2 : 3)
        let closes = style == 2 || random.below(10) == 0
        if closes, random.below(2) == 0 { head += "connection: close\r\n" }
        switch style {
        case 0:
            head += "content-length: \(body.count)\r\n"
            payload = body
        case 1:
            head += "transfer-encoding: chunked\r\n"
            payload = chunked(body, &random)
        case 2: payload = body
        default: break
        }
        bytes += Array((head + "\r\n").utf8) + (isHead ? [] : payload)
        if trouble == 5 { bytes = Array(bytes.prefix(random.below(bytes.count))) }
        if trouble == 6 { bytes = Array("I am no HTTP\r\n\r\n".utf8) }
        if trouble == 7 { sendsAt = proxy.now + UInt64(random.below(5_000)) }
        // A body without a length whose end is a reset would pass for whole: only an orderly end may end it.
        endsAfterSending = closes || trouble == 5 && (style != 2 || bytes.isEmpty)
        outgoing = bytes[...]
        if trouble == 5, style == 2 {
            outgoing = []
            isOver = true
            proxy.world { $0.reset(socket) }
        }
    }

    mutating func finish(_ proxy: SimulatedProxy) {
        guard !isOver else { return }
        isOver = true
        proxy.world { $0.end(socket) }
    }
}
