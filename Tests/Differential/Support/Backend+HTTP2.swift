extension Backend {
    /// Serves one connection of HTTP/2 (prior knowledge, or agreed upon by ALPN).
    func serveHTTP2(_ wire: Wire, _ name: String) throws {
        let connection = HTTP2Wire(wire)
        try connection.takePreface(within: 5000)
        // Extended CONNECT is welcome (RFC 8441).
        try connection.greet(isClient: false, [(4, 1 << 24), (3, 100), (8, 1)])
        var streams: [UInt32: Received] = [:]
        while true {
            let frame: Frame
            do {
                frame = try connection.next(within: 200)
            } catch WireEnd.timeout {
                if isStopped { return }
                continue
            }
            switch frame.type {
            case Frame.headers:
                let fields = try connection.fields(of: frame, within: 2000)
                if var received = streams[frame.stream] {
                    received.message.trailers = fields
                    received.message.isComplete = true
                    streams[frame.stream] = received
                } else {
                    streams[frame.stream] = begin(fields, name)
                }
                guard try answer(&streams[frame.stream], frame, connection, isFirst: true) else { return }
            case Frame.data:
                streams[frame.stream]?.message.body += frame.payload
                guard try answer(&streams[frame.stream], frame, connection, isFirst: false) else { return }
            case Frame.reset:
                if var received = streams[frame.stream] {
                    received.message.end = "reset \(frame.number(at: 0))"
                    received.message.isComplete = true
                    update(received.message, at: received.attempt, received.exchange)
                    streams[frame.stream] = received
                }
            default: break
            }
        }
    }

    /// A request on a stream.
    private struct Received {
        var message: ReceivedMessage
        let attempt: Int
        let exchange: Int
        let script: BackendScript?
        var isAnswered = false
    }

    private func begin(_ fields: [HTTP2Wire.Field], _ name: String) -> Received {
        var message = ReceivedMessage()
        message.startLine = "HTTP/2"
        message.headers = fields
        let (script, exchange) = nextScript()
        return Received(message: message, attempt: note(message, of: name), exchange: exchange, script: script)
    }

    /// Answers when it is time to. False: the connection is over.
    private func answer(
        _ received: inout Received?, _ frame: Frame, _ connection: HTTP2Wire, isFirst: Bool
    ) throws -> Bool {
        guard var current = received else { return true }
        if frame.endsStream { current.message.isComplete = true }
        let isTime = frame.endsStream || isFirst && current.script?.isEarly == true
        let answers = isTime && !current.isAnswered
        if answers { current.isAnswered = true }
        received = current
        update(current.message, at: current.attempt, current.exchange)
        guard answers else { return true }
        let name = attempts().indices.contains(current.attempt) ? attempts()[current.attempt].backend : ""
        let isHead = current.message.value(":method") == "HEAD"
        let head = FrameStep.headers([(":status", "200"), ("backend", name)], end: isHead)
        let steps = current.script?.frames ?? [head] + (isHead ? [] : [.data(Array("\(name)\n".utf8), end: true)])
        for step in steps {
            if case .stall = step { return true }
            guard try connection.say(step, on: frame.stream) else { return false }
        }
        return true
    }
}
