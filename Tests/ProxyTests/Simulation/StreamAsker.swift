import EventLoop
import HTTP2
import Proxy

/// A client that asks on streams of one connection.
final class StreamAsker: SimulatedAsker {
    private struct Request {
        var id: Int
        var method: String
        var path: String
        var body: [UInt8]
        var hasTrailers: Bool
        var stream: UInt32 = 0
        var sent = 0
        var hasEndedSending = false
        // What came of it.
        var status = 0
        var answerID: Int?
        var answerSum: UInt64?
        var sum = Checksum()
        var isOver = false
        var isCancelled = false

        var isDirect: Bool { path == "/direct" }
    }

    private enum End { case open, ended, reset }

    let socket: Int32
    private var codec: StreamCodec
    private var requests: [Request] = []
    private var started = 0
    private var end = End.open
    private var sawGoAway = false
    private var pausedUntil: UInt64 = 0
    private var withholdsUntil: UInt64 = 0
    private var stallsForEver = false

    init(number: Int, socket: Int32, _ scenario: Scenario, _ random: inout Random) {
        self.socket = socket
        var settings = HTTP2Settings.announced(by: .client)
        if random.below(3) == 0 { settings.initialWindowSize = 100 + random.below(20_000) }
        if random.below(4) == 0 { settings.headerTableSize = random.below(200) }
        codec = StreamCodec(.client, socket: socket, settings: settings)
        for index in 0..<(1 + random.below(scenario.requestsPerClient * 2)) {
            let method = ["GET", "GET", "HEAD", "POST", "POST", "PUT"][random.below(6)]
            let id = number << 16 | index
            let path = random.below(12) == 0 ? "/direct" : random.below(2) == 0 ? "/a/\(id)" : "/b/\(id)"
            let hasBody = method == "POST" || method == "PUT"
            requests.append(
                Request(
                    id: id, method: method, path: path,
                    body: hasBody ? random.bytes(random.below(scenario.largestBody)) : [],
                    hasTrailers: hasBody && random.below(4) == 0))
        }
    }

    var asked: Int { requests.count }
    var statuses: [Int] { requests.filter { $0.isOver && $0.status > 0 && !$0.isCancelled }.map(\.status) }
    var progress: String { "\(socket): \(requests.count(where: \.isOver))/\(requests.count) \(end)" }

    func isDone(_ proxy: SimulatedProxy) -> Bool {
        let wanted = sawGoAway ? requests.prefix(started) : requests[...]
        return end != .open || wanted.allSatisfy(\.isOver) || proxy.world { $0.isClosed(socket) }
    }

    // MARK: Asking

    func act(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) {
        guard end == .open, !stallsForEver, proxy.now >= pausedUntil else { return }
        if random.below(1000) < scenario.clientTrouble {
            switch random.below(7) {
            case 0:
                end = .reset
                return proxy.world { $0.reset(socket) }
            case 1: return finish(proxy)
            case 2: stallsForEver = random.below(8) == 0
            case 3: pausedUntil = proxy.now + UInt64(random.below(3_000))
            case 4: withholdsUntil = proxy.now + UInt64(random.below(3_000))
            case 5: codec.ping(random.next())
            default: cancel(&random)
            }
        }
        if random.below(3) == 0 { start(&random) }
        for index in 0..<started { push(index) }
        if proxy.now >= withholdsUntil { codec.giveBack() }
        codec.deliver(proxy, &random)
    }

    private func start(_ random: inout Random) {
        guard started < requests.count, !sawGoAway else { return }
        let request = requests[started]
        var fields = [("x-sim", "\(request.id)"), ("x-sum", "\(Checksum.of(request.body))")]
        if !request.body.isEmpty, random.below(2) == 0 { fields.append(("content-length", "\(request.body.count)")) }
        let ends = request.body.isEmpty && !request.hasTrailers
        guard let stream = codec.request(request.method, request.path, fields, ends: ends) else { return }
        requests[started].stream = stream
        requests[started].hasEndedSending = ends
        started += 1
    }

    private func push(_ index: Int) {
        guard !requests[index].hasEndedSending, !requests[index].isCancelled else { return }
        let rest = requests[index].body[requests[index].sent...]
        let ends = !requests[index].hasTrailers
        if !rest.isEmpty || ends {
            requests[index].sent += codec.send(rest, on: requests[index].stream, ends: ends)
        }
        guard requests[index].sent == requests[index].body.count else { return }
        requests[index].hasEndedSending = true
        if !ends { codec.trailers(requests[index].stream) }
    }

    private func cancel(_ random: inout Random) {
        let open = (0..<started).filter { !requests[$0].isOver }
        guard !open.isEmpty else { return }
        let index = open[random.below(open.count)]
        codec.reset(requests[index].stream, .cancel)
        requests[index].isCancelled = true
        requests[index].isOver = true
    }

    // MARK: Answers

    func listen(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) throws {
        guard !stallsForEver else { return }
        for event in codec.receive(proxy, limit: scenario.isSlow ? 1 + random.below(700) : .max) {
            switch event {
            case .head(let stream, let head): try take(head, try request(on: stream))
            case .data(let stream, let bytes, let ends):
                let index = try request(on: stream)
                requests[index].sum.add(bytes[...])
                if ends { try complete(index) }
            case .reset(let stream, let code):
                let index = try request(on: stream)
                // Behind a whole answer: the rest of the request is not wanted.
                if requests[index].isOver { continue }
                guard code != .noError, code != .protocolError else {
                    throw Broken("request \(requests[index].id) was reset with \(code)")
                }
                requests[index].isOver = true
                requests[index].status = 0
            case .goAway: sawGoAway = true
            case .writable: break
            case .failed(let why): throw Broken("client \(socket): the proxy broke the protocol: \(why)")
            }
        }
    }

    private func request(on stream: UInt32) throws -> Int {
        guard let index = requests.indices.prefix(started).first(where: { requests[$0].stream == stream }) else {
            throw Broken("client \(socket): nothing was asked on stream \(stream)")
        }
        return index
    }

    private func take(_ head: StreamCodec.Head, _ index: Int) throws {
        if head.kind == .interim { return }
        if head.kind == .response {
            let asked = requests[index]
            guard asked.status == 0 else { throw Broken("request \(asked.id): a second answer") }
            if let id = head.id, id != asked.id { throw Broken("request \(asked.id) got the answer to \(id)") }
            if head.id == nil, ![404, 408, 418, 500, 502, 503, 504].contains(head.status) {
                throw Broken("request \(asked.id): the proxy answered \(head.status)")
            }
            if asked.isDirect, ![418, 408].contains(head.status) {
                throw Broken("/direct was answered \(head.status)")
            }
            requests[index].status = head.status
            requests[index].answerID = head.id
            requests[index].answerSum = head.sum
        }
        if head.endsStream { try complete(index) }
    }

    private func complete(_ index: Int) throws {
        let request = requests[index]
        guard request.status > 0 else { throw Broken("request \(request.id): its answer has no head") }
        guard !request.isOver || request.isCancelled else { throw Broken("request \(request.id): two ends") }
        requests[index].isOver = true
        if request.answerID != nil, request.method != "HEAD", !request.isCancelled,
            request.answerSum != request.sum.value
        {
            throw Broken("request \(request.id): the body of its answer is not what the endpoint sent")
        }
    }

    func checkEnd(_ proxy: SimulatedProxy) throws {
        let isOver = end != .open || sawGoAway || proxy.world { $0.isClosed(socket) || $0.isEnded(socket) }
        if !isOver, let open = requests.first(where: { !$0.isOver }) {
            throw Broken("client \(socket): request \(open.id) has no answer, and the connection is open")
        }
    }

    func finish(_ proxy: SimulatedProxy) {
        guard end == .open else { return }
        end = .ended
        proxy.world { $0.end(socket) }
    }
}
