internal import EventLoop
internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// Filters that want to see a request's body: it is read into the exchange's replay, from where it goes to the endpoint
/// when the filters are done.
extension Worker where Wire: ~Copyable {
    /// Begins to read the body, up to `limit` bytes of payload. False: the filter waits, or the request was refused.
    mutating func collectBody(_ exchange: Handle, limit: Int, allowsPartial: Bool) -> Bool {
        if exchanges[exchange].filters.isCollected || exchanges[exchange].upgrade != .none { return true }
        if exchanges[exchange].isRequestReceived, exchanges[exchange].requestQueue.isEmpty { return true }
        exchanges[exchange].filters.collects = true
        exchanges[exchange].filters.collectLimit = limit
        exchanges[exchange].filters.collectsPart = allowsPartial
        armExchange(exchange)
        takeQueued(exchange)
        // Not from here: what is collected resumes the filters.
        if !endCollection(exchange) { resumable.append(exchanges[exchange].downstream) }
        return false
    }

    /// What waited while other filters did.
    private mutating func takeQueued(_ exchange: Handle) {
        let count = exchanges[exchange].requestQueue.count
        guard count > 0 else { return }
        var bytes = ByteBuffer()
        swap(&bytes, &exchanges[exchange].requestQueue)
        buffers.lend(&exchanges[exchange].replay)
        exchanges[exchange].replay.append(from: bytes, offset: bytes.start, count: count)
        buffers.recount(&exchanges[exchange].replay)
        buffers.reclaim(&bytes)
        exchanges[exchange].requestBody.count(count)
        giveBack(exchanges[exchange].downstream, exchanges[exchange].downstreamStream, count)
    }

    /// Body bytes of a stream, in the connection's input.
    mutating func collectData(_ handle: Handle, _ exchange: Handle, _ payload: ByteRange) {
        var bytes = ByteBuffer()
        swap(&bytes, &connections[handle].input)
        buffers.lend(&exchanges[exchange].replay)
        exchanges[exchange].replay.append(from: bytes, offset: payload.lowerBound, count: payload.count)
        buffers.recount(&exchanges[exchange].replay)
        swap(&bytes, &connections[handle].input)
        exchanges[exchange].requestBody.count(payload.count)
        giveBack(handle, exchanges[exchange].downstreamStream, payload.count)
        _ = endCollection(exchange)
    }

    /// Reads on, from a client that speaks HTTP/1.1, or looks whether a stream has ended.
    mutating func collectMore(_ handle: Handle, _ exchange: Handle) {
        if exchanges[exchange].downstreamStream != 0 { return _ = endCollection(exchange) }
        while exchanges.contains(exchange), exchanges[exchange].filters.collects {
            if connections[handle].input.isEmpty, !readBody(handle, exchange) { return }
            let step = exchanges[exchange].scanRequestBody(&connections[handle].input, limits)
            if let error = step.error { return refuseBody(exchange, error) }
            if step.consumed == 0 {
                connections[handle].input.compact()
                if !readBody(handle, exchange) { return }
                continue
            }
            buffers.lend(&exchanges[exchange].replay)
            exchanges[exchange].keepForReplay(&connections[handle].input, count: step.consumed)
            buffers.recount(&exchanges[exchange].replay)
            connections[handle].input.consume(step.consumed)
            _ = endCollection(exchange)
        }
    }

    /// Whether there is enough of the body, or too much.
    private mutating func endCollection(_ exchange: Handle) -> Bool {
        guard exchanges[exchange].filters.collects else { return true }
        let limit = exchanges[exchange].filters.collectLimit
        let isPart = exchanges[exchange].requestBody.payloadBytes > limit
        let isFull = isPart || exchanges[exchange].requestBody.payloadBytes == limit
        if isPart, !exchanges[exchange].filters.collectsPart {
            exchanges[exchange].filters.collects = false
            exchanges[exchange].details = "request_payload_too_large"
            exchanges[exchange].keepsAlive = false
            reply(exchange, 413, Self.reason(413), [])
            return true
        }
        guard exchanges[exchange].isRequestReceived || isFull && exchanges[exchange].filters.collectsPart else {
            return false
        }
        exchanges[exchange].filters.collects = false
        exchanges[exchange].filters.isCollected = true
        exchanges[exchange].replaySent = 0
        resumableFilters.append(exchange)
        return true
    }

    /// The endpoint speaks HTTP/2: what was collected in chunks is wanted without them.
    mutating func unchunkCollected(_ exchange: Handle) {
        guard exchanges[exchange].filters.isCollected, exchanges[exchange].downstreamStream == 0 else { return }
        var framed = ByteBuffer()
        swap(&framed, &exchanges[exchange].replay)
        buffers.lend(&exchanges[exchange].replay)
        exchanges[exchange].unchunk(framed, limits)
        buffers.reclaim(&framed)
    }
}

extension Exchange {
    /// Takes the payload of collected bytes into `replay`, and the trailers behind it.
    fileprivate mutating func unchunk(_ framed: borrowing ByteBuffer, _ limits: Limits) {
        var decoder = BodyDecoder(requestHead.framing)
        var offset = framed.start
        while offset < framed.end, !decoder.isComplete {
            let step = decoder.next(framed.storage, from: offset, limits: limits)
            guard step.error == nil, !step.needsMore else { return }
            if !step.payload.isEmpty {
                replay.append(from: framed, offset: step.payload.lowerBound, count: step.payload.count)
            } else if step.isTrailer {
                addTrailer(framed, offset: offset, count: step.consumed, ofRequest: true)
            }
            offset &+= step.consumed
        }
    }

    /// The payload that was collected, at most `limit` bytes of it, and whether there is more.
    func collected(_ limit: Int, _ limits: Limits) -> (bytes: [UInt8], isPart: Bool) {
        var payload: [UInt8] = []
        if downstreamStream != 0 {
            for index in replay.start..<replay.end { payload.append(replay.storage[index]) }
        } else {
            var decoder = BodyDecoder(requestHead.framing)
            var offset = replay.start
            while offset < replay.end, !decoder.isComplete {
                let step = decoder.next(replay.storage, from: offset, limits: limits)
                guard step.error == nil, !step.needsMore else { break }
                for index in step.payload.lowerBound..<step.payload.upperBound { payload.append(replay.storage[index]) }
                offset &+= step.consumed
            }
        }
        let isPart = payload.count > limit || !isRequestReceived
        return (Array(payload.prefix(limit)), isPart)
    }
}
