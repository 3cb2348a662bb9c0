import EventLoop
import HTTP2
import Proxy

/// An endpoint that answers on streams, well or badly.
final class StreamAnswerer: SimulatedAnswerer {
    private struct Call {
        var stream: UInt32
        var id: Int
        var method: String
        var declared: UInt64?
        var sum = Checksum()
        var hasEnded = false
        var isAnswered = false
        var body: [UInt8] = []
        var sent = 0
        var hasTrailers = false
        var startsAt: UInt64 = 0
        var hasStarted = false
        /// Resets the stream when so much of the body is sent.
        var breaksAt = Int.max
        var isOver = false
    }

    let socket: Int32
    private var codec: StreamCodec
    private var calls: [Call] = []
    private var isOver = false
    private var withholdsUntil: UInt64 = 0
    private var hasSaidGoAway = false

    init(socket: Int32, _ random: inout Random) {
        self.socket = socket
        var settings = HTTP2Settings.announced(by: .server)
        if random.below(3) == 0 { settings.maxConcurrentStreams = 1 + random.below(3) }
        if random.below(3) == 0 { settings.initialWindowSize = 100 + random.below(20_000) }
        if random.below(4) == 0 { settings.headerTableSize = random.below(200) }
        codec = StreamCodec(.server, socket: socket, settings: settings)
    }

    func act(
        _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random, onHead: (Int?, String) throws -> Void
    ) throws {
        guard !isOver else { return }
        for event in codec.receive(proxy, limit: scenario.isSlow ? 1 + random.below(700) : .max) {
            switch event {
            case .head(let stream, let head): try take(head, stream, proxy, scenario, &random, onHead)
            case .data(let stream, let bytes, let ends):
                guard let index = call(on: stream) else { continue }
                calls[index].sum.add(bytes[...])
                if ends { try end(index, proxy, scenario, &random) }
            case .reset(let stream, _):
                guard let index = call(on: stream) else { continue }
                calls[index].isOver = true
            case .failed(let why): throw Broken("endpoint \(socket): the proxy broke the protocol: \(why)")
            case .goAway, .writable: break
            }
            if isOver { return }
        }
        if random.below(4_000) < scenario.endpointTrouble / 4 {
            switch random.below(4) {
            case 0:
                if !hasSaidGoAway { codec.goAway() }
                hasSaidGoAway = true
            case 1: withholdsUntil = proxy.now + UInt64(random.below(3_000))
            case 2: codec.ping(random.next())
            default: answerEarly(proxy, scenario, &random)
            }
        }
        for index in calls.indices { push(index, proxy) }
        if proxy.now >= withholdsUntil { codec.giveBack() }
        codec.deliver(proxy, &random)
        if hasSaidGoAway, codec.openStreams == 0, !codec.hasOutgoing, random.below(8) == 0 { finish(proxy) }
    }

    private func call(on stream: UInt32) -> Int? { calls.firstIndex { $0.stream == stream } }

    private func take(
        _ head: StreamCodec.Head, _ stream: UInt32, _ proxy: SimulatedProxy, _ scenario: Scenario,
        _ random: inout Random, _ onHead: (Int?, String) throws -> Void
    ) throws {
        if head.kind == .request {
            try onHead(head.id, head.method)
            calls.append(Call(stream: stream, id: head.id ?? -1, method: head.method, declared: head.sum))
        }
        guard head.endsStream, let index = call(on: stream) else { return }
        try end(index, proxy, scenario, &random)
    }

    /// The request is whole.
    private func end(
        _ index: Int, _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random
    ) throws {
        calls[index].hasEnded = true
        if let declared = calls[index].declared, declared != calls[index].sum.value {
            throw Broken("request \(calls[index].id): its body arrived changed")
        }
        if !calls[index].isAnswered { answer(index, proxy, scenario, &random) }
    }

    /// Answers a request that is not whole yet.
    private func answerEarly(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) {
        let open = calls.indices.filter { !calls[$0].isAnswered && !calls[$0].isOver }
        guard !open.isEmpty else { return }
        answer(open[random.below(open.count)], proxy, scenario, &random)
    }

    private func answer(
        _ index: Int, _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random
    ) {
        calls[index].isAnswered = true
        let trouble = random.below(1000) < scenario.endpointTrouble ? 1 + random.below(8) : 0
        switch trouble {
        case 1:
            isOver = true
            return proxy.world { $0.reset(socket) }
        case 2: return finish(proxy)
        // Never answers.
        case 3: return calls[index].startsAt = .max
        case 4, 5:
            calls[index].isOver = true
            return codec.reset(calls[index].stream, trouble == 4 ? .refusedStream : .internalError)
        case 6: calls[index].startsAt = proxy.now + UInt64(random.below(5_000))
        case 7: calls[index].breaksAt = random.below(scenario.largestBody)
        default: break
        }
        if random.below(20) == 0 { codec.respond(calls[index].stream, 103, [("link", "x")], ends: false) }
        calls[index].body = calls[index].method == "HEAD" ? [] : random.bytes(random.below(scenario.largestBody))
        calls[index].hasTrailers = calls[index].method != "HEAD" && random.below(4) == 0
    }

    private func push(_ index: Int, _ proxy: SimulatedProxy) {
        let call = calls[index]
        guard call.isAnswered, !call.isOver, proxy.now >= call.startsAt else { return }
        if !call.hasStarted {
            calls[index].hasStarted = true
            let isEmpty = call.body.isEmpty && !call.hasTrailers
            let status: UInt16 = [200, 200, 404, 503][call.id & 3]
            let fields = [("x-sim", "\(call.id)"), ("x-sum", "\(Checksum.of(call.body))")]
            codec.respond(call.stream, status, fields, ends: isEmpty)
            if isEmpty {
                calls[index].isOver = true
                return
            }
        }
        let end = min(call.body.count, call.breaksAt)
        let ends = !call.hasTrailers && end == call.body.count
        calls[index].sent += codec.send(call.body[call.sent..<end], on: call.stream, ends: ends)
        guard calls[index].sent == end else { return }
        calls[index].isOver = true
        if end < call.body.count {
            codec.reset(call.stream, .internalError)
        } else if call.hasTrailers {
            codec.trailers(call.stream)
        }
    }

    func finish(_ proxy: SimulatedProxy) {
        guard !isOver else { return }
        isOver = true
        proxy.world { $0.end(socket) }
    }
}
