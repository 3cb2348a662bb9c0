import Glibc
import NIOCore
import NIOHTTP1

/// Answers requests, one at a time: HTTP/1.1 pipelining is put in order before this handler, an HTTP/2 stream carries one.
final class RequestHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let state: ServiceState
    private let transport: String
    private let peer: String
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var refused = false

    init(state: ServiceState, transport: String, peer: String) {
        self.state = state
        self.transport = transport
        self.peer = peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = ByteBuffer()
            refused = false
        case .body(let part):
            if body.readableBytes + part.readableBytes > Limits.requestBodyBytes { refused = true }
            if !refused { body.writeImmutableBuffer(part) }
        case .end:
            guard let head else { return }
            self.head = nil
            let exchange = Exchange(head: head, body: body, transport: transport, peer: peer)
            body = ByteBuffer()
            if refused {
                let note = "the request body is over \(Limits.requestBodyBytes) bytes"
                answer(context, exchange, status: 413, note: note, padding: 0)
            } else {
                receive(context, exchange)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func receive(_ context: ChannelHandlerContext, _ exchange: Exchange) {
        switch exchange.path {
        case "/health", "/healthz", "/ready":
            send(context, exchange, status: 200, type: "text/plain", body: ByteBuffer(string: "ok\n"))
            return
        case "/echo":
            let type = exchange.head.headers.first(name: "content-type") ?? "application/octet-stream"
            send(context, exchange, status: 200, type: type, body: exchange.body)
            return
        default: break
        }
        let behaviour: Behaviour
        do throws(ServiceError) {
            behaviour = try exchange.behaviour(of: state.options)
        } catch {
            answer(context, exchange, status: 400, note: error.description, padding: 0)
            return
        }
        var generator = SystemRandomNumberGenerator()
        let delay = behaviour.latency.sample(using: &generator)
        guard delay > .zero else { return act(context, exchange, behaviour) }
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) {
            self.act(context, exchange, behaviour)
        }
    }

    /// Fails as the behaviour asks for, or calls the upstreams and answers.
    private func act(_ context: ChannelHandlerContext, _ exchange: Exchange, _ behaviour: Behaviour) {
        guard context.channel.isActive else { return }
        if let reason = reasonToFail(exchange, behaviour) {
            switch behaviour.failure {
            case .status(let status):
                answer(context, exchange, status: status, note: reason, padding: behaviour.bodySize)
            case .stall: break
            case .reset:
                // Linger 0 makes the close a TCP reset; a stream of HTTP/2 knows no such option and is reset by closing.
                _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                context.close(promise: nil)
            }
            return
        }
        let rules = state.options.upstreams.filter { $0.applies(to: exchange.head.uri) }
        guard !rules.isEmpty, let pool = state.pool(on: context.eventLoop) else {
            answer(context, exchange, status: 200, note: nil, padding: behaviour.bodySize)
            return
        }
        let headers = state.propagated.select(from: exchange.head.headers)
        var outcomes: [UpstreamOutcome?] = Array(repeating: nil, count: rules.count)
        var missing = rules.count
        for (index, rule) in rules.enumerated() {
            call(rule, for: exchange, headers: headers, from: pool) { outcome in
                outcomes[index] = outcome
                missing -= 1
                if missing == 0 { self.conclude(context, exchange, behaviour, outcomes.compactMap { $0 }) }
            }
        }
    }

    private func reasonToFail(_ exchange: Exchange, _ behaviour: Behaviour) -> String? {
        if behaviour.failFirst > 0 {
            let requestID = exchange.head.headers.first(name: "x-request-id") ?? String(exchange.path)
            let attempt = state.attempts.next(for: requestID)
            if attempt <= behaviour.failFirst { return "attempt \(attempt) of this request id fails on purpose" }
        }
        if behaviour.errorRate >= 1 || (behaviour.errorRate > 0 && Double.random(in: 0..<1) < behaviour.errorRate) {
            return "failed on purpose"
        }
        return nil
    }

    private func call(
        _ rule: UpstreamRule,
        for exchange: Exchange,
        headers: HTTPHeaders,
        from pool: UpstreamPool,
        whenDone: @escaping (UpstreamOutcome) -> Void
    ) {
        let target = rule.target(for: exchange.head.uri)
        var all = HTTPHeaders([("host", rule.authority), ("accept", "application/json")])
        all.add(contentsOf: headers)
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target, headers: all)
        let start = ContinuousClock.now
        pool.send(head, host: rule.host, port: rule.port).assumeIsolated().whenComplete { result in
            whenDone(
                UpstreamOutcome(
                    url: "http://\(rule.authority)\(target)",
                    duration: ContinuousClock.now - start,
                    result: result
                )
            )
        }
    }

    private func conclude(
        _ context: ChannelHandlerContext,
        _ exchange: Exchange,
        _ behaviour: Behaviour,
        _ outcomes: [UpstreamOutcome]
    ) {
        let failure = state.options.toleratesUpstreamErrors ? nil : outcomes.lazy.compactMap(\.failureStatus).first
        answer(
            context,
            exchange,
            status: failure ?? 200,
            note: failure == nil ? nil : "an upstream failed",
            outcomes: outcomes,
            padding: behaviour.bodySize
        )
    }

    private func answer(
        _ context: ChannelHandlerContext,
        _ exchange: Exchange,
        status: Int,
        note: String?,
        outcomes: [UpstreamOutcome] = [],
        padding: Int
    ) {
        let body = answerBody(
            status: status,
            note: note,
            exchange: exchange,
            options: state.options,
            outcomes: outcomes,
            padding: padding,
            allocator: context.channel.allocator
        )
        send(context, exchange, status: status, type: "application/json", body: body)
    }

    private func send(
        _ context: ChannelHandlerContext,
        _ exchange: Exchange,
        status: Int,
        type: String,
        body: ByteBuffer
    ) {
        guard context.channel.isActive else { return }
        var head = HTTPResponseHead(version: exchange.head.version, status: HTTPResponseStatus(statusCode: status))
        head.headers.reserveCapacity(5)
        head.headers.add(name: "x-service", value: state.options.name)
        head.headers.add(name: "x-service-version", value: state.options.version)
        let mayHaveBody = status != 204 && status != 304
        if mayHaveBody {
            head.headers.add(name: "content-type", value: type)
            head.headers.add(name: "content-length", value: String(body.readableBytes))
        }
        let keepAlive = exchange.head.isKeepAlive
        if !keepAlive, exchange.head.version.major == 1 { head.headers.add(name: "connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if mayHaveBody, exchange.head.method != .HEAD, body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        let done = context.eventLoop.makePromise(of: Void.self)
        if !keepAlive, exchange.head.version.major == 1 {
            done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }
}
