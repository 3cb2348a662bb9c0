internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// Heads of the proxy's own answers, made as a response's: in the table and the arena.
extension Worker where Wire: ~Copyable {
    /// Makes the head of a reply whose body, or location, is in `scratch`. A gRPC client gets its status in the head, as
    /// a response without messages (gRPC over HTTP/2, "Trailers-Only").
    mutating func composeReply(
        _ exchange: Handle, _ status: UInt16, location: Bool, isGRPC: Bool, keepsFields: Bool
    ) {
        buffers.lend(&exchanges[exchange].arena)
        if !keepsFields { exchanges[exchange].response.reset() }
        exchanges[exchange].filters.replyStatus = status
        if isGRPC {
            let grpc = exchanges[exchange].filters.grpcStatus
            exchanges[exchange].status = 200
            exchanges[exchange].setResponseStart(200, Self.reason(200))
            exchanges[exchange].addResponseField("content-type", "application/grpc")
            let number = grpc >= 0 ? Int(grpc) : GRPCReply.status(http: status)
            exchanges[exchange].addResponseField("grpc-status", decimal: number)
            if location {
                exchanges[exchange].addResponseField("location", scratch)
            } else if !scratch.isEmpty {
                exchanges[exchange].addResponseField("grpc-message", GRPCReply.escaped(scratch))
            }
            return tellRouter(exchange)
        }
        exchanges[exchange].setResponseStart(status, Self.reason(status))
        if location {
            exchanges[exchange].addResponseField("location", scratch)
        } else if !scratch.isEmpty {
            exchanges[exchange].addResponseField("content-length", decimal: scratch.count)
            if exchanges[exchange].response.first(.contentType) == nil {
                exchanges[exchange].addResponseField("content-type", "text/plain")
            }
        }
        tellRouter(exchange)
    }

    private mutating func tellRouter(_ exchange: Handle) {
        if exchanges[exchange].returnsAttemptCount, exchanges[exchange].attempts > 0 {
            exchanges[exchange].addResponseCount(.xEnvoyAttemptCount, Int(exchanges[exchange].attempts))
        }
        guard exchanges[exchange].flags.contains(.upstreamOverflow) else { return }
        exchanges[exchange].addResponseField("x-envoy-overloaded", "true")
    }
}

extension Exchange {
    /// The client speaks gRPC.
    var isGRPCRequest: Bool { RequestKind.isGRPC(HeadView(request, bytes: arena.storage)) }

    /// Begins a response head of our own.
    mutating func setResponseStart(_ status: UInt16, _ reason: StaticString) {
        response.status = status
        let start = arena.end
        arena.append(reason)
        response.method = ByteRange(start: start, length: reason.utf8CodeUnitCount)
    }

    /// Adds a field to the response.
    mutating func addResponseField(_ name: StaticString, _ value: [UInt8]) {
        let mark = beginResponseField(name)
        arena.append(value.span)
        endResponseField(name, mark)
    }

    mutating func addResponseField(_ name: StaticString, _ value: StaticString) {
        let mark = beginResponseField(name)
        arena.append(value)
        endResponseField(name, mark)
    }

    mutating func addResponseField(_ name: StaticString, decimal: Int) {
        let mark = beginResponseField(name)
        arena.append(decimal: decimal)
        endResponseField(name, mark)
    }

    private mutating func beginResponseField(_ name: StaticString) -> Int {
        let mark = arena.end
        arena.append(name)
        arena.append(": ")
        return mark
    }

    private mutating func endResponseField(_ name: StaticString, _ mark: Int) {
        let end = arena.end
        arena.append("\r\n")
        let range = ByteRange(start: mark, length: name.utf8CodeUnitCount)
        let start = mark + range.count + 2
        let id = KnownHeader.classify(arena.storage, range)
        _ = response.append(HeaderField(name: range, value: ByteRange(start: start, length: end - start), id: id))
    }
}

/// What a gRPC client is told instead of an HTTP status.
enum GRPCReply {
    /// The status that an HTTP status means (gRPC's `http-grpc-status-mapping`, as Envoy has it).
    static func status(http: UInt16) -> Int {
        switch http {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }

    /// A message as `grpc-message` carries it: percent-encoded outside of printable ASCII.
    static func escaped(_ text: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text {
            if byte >= 0x20, byte < 0x7f, byte != 0x25 {
                result.append(byte)
            } else {
                result += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result
    }
}
