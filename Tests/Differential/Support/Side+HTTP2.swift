extension Side {
    /// Runs an exchange whose client speaks HTTP/2.
    func runHTTP2(_ exchange: Exchange, _ wire: Wire, _ observation: inout Observation) -> String {
        let connection = HTTP2Wire(wire)
        var client = HTTP2Client(wanted: exchange.responses)
        do {
            try connection.greet(isClient: true)
            connection.holdsBack = true
            for item in exchange.frames {
                if case .stall = item.step {
                    try connection.letGo()
                    try client.read(connection, within: 4000)
                } else if try !connection.say(item.step, on: item.stream) {
                    client.end = "by client"
                    break
                }
            }
            try connection.letGo()
            if client.end == nil { try client.read(connection, within: 4000) }
        } catch {
            client.end = client.end ?? "\(error)"
        }
        if client.end == nil { client.settle(connection, within: exchange.settle) }
        client.note(in: &observation)
        return client.end ?? "open"
    }
}

/// What a client of HTTP/2 has received.
struct HTTP2Client {
    let wanted: Int
    var end: String?
    private var answers: [UInt32: ReceivedMessage] = [:]
    private var goAway: UInt32?

    init(wanted: Int) { self.wanted = wanted }

    /// Reads until as many streams as are wanted have ended.
    mutating func read(_ connection: HTTP2Wire, within patience: Int) throws {
        while answers.values.filter({ $0.end != nil }).count < wanted {
            try take(connection, within: patience)
        }
    }

    /// Looks what comes behind the last response.
    mutating func settle(_ connection: HTTP2Wire, within patience: Int) {
        do {
            while true { try take(connection, within: patience) }
        } catch {
            if error as? WireEnd != .timeout { end = "\(error)" }
        }
    }

    private mutating func take(_ connection: HTTP2Wire, within patience: Int) throws {
        let frame = try connection.next(within: patience)
        switch frame.type {
        case Frame.headers:
            let fields = try connection.fields(of: frame, within: patience)
            add(fields, on: frame.stream)
        case Frame.data: answers[frame.stream, default: ReceivedMessage()].body += frame.payload
        case Frame.reset: answers[frame.stream, default: ReceivedMessage()].end = "reset \(frame.number(at: 0))"
        case Frame.goAway: goAway = frame.number(at: 4)
        default: break
        }
        if frame.type == Frame.data || frame.type == Frame.headers, frame.endsStream {
            answers[frame.stream]?.isComplete = true
            if answers[frame.stream]?.end == nil { answers[frame.stream]?.end = "end" }
        }
    }

    private mutating func add(_ fields: [HTTP2Wire.Field], on stream: UInt32) {
        var answer = answers[stream] ?? ReceivedMessage()
        let status = fields.first { $0.name == ":status" }?.value
        if let status, status.hasPrefix("1") {
            answer.interim.append(status)
        } else if let status {
            answer.startLine = "HTTP/2 \(status)"
            answer.headers = fields.filter { $0.name != ":status" }
        } else {
            answer.trailers = fields
        }
        answers[stream] = answer
    }

    func note(in observation: inout Observation) {
        for (index, stream) in answers.keys.sorted().enumerated() {
            guard let answer = answers[stream] else { continue }
            observation.note(answer, at: "response[\(index)]")
        }
        if let goAway { observation["goaway"] = "\(goAway)" }
    }
}
