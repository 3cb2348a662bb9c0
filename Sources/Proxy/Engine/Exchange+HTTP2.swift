internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import Memory

/// What an exchange does with an HTTP/2 codec and with buffers of connections, all lent for one call.
extension Exchange {
    /// One of its two sides is a stream of HTTP/2.
    var isStreamed: Bool { downstreamStream | upstreamStream != 0 }

    mutating func receiveRequest(_ codec: inout HTTP2Connection, _ connection: inout Connection, token: UInt64)
        -> HTTP2HeadResult
    {
        codec.receiveHead(
            token: token, input: &connection.input, arena: &arena, table: &request, output: &connection.output)
    }

    mutating func receiveResponse(_ codec: inout HTTP2Connection, _ connection: inout Connection, token: UInt64)
        -> HTTP2HeadResult
    {
        codec.receiveHead(
            token: token, input: &connection.input, arena: &arena, table: &response, output: &connection.output)
    }

    mutating func receiveTrailers(
        _ codec: inout HTTP2Connection, _ connection: inout Connection, token: UInt64, ofRequest: Bool
    ) -> HTTP2HeadResult {
        var table = takeTrailers(ofRequest: ofRequest)
        let result = codec.receiveHead(
            token: token, input: &connection.input, arena: &arena, table: &table, output: &connection.output)
        var isWhole = false
        if case .complete = result { isWhole = true }
        keepTrailers(table, ofRequest: ofRequest, isWhole: isWhole)
        return result
    }

    /// The table of a slot's trailers is made when first needed, and kept for the slot's next exchanges.
    private mutating func takeTrailers(ofRequest: Bool) -> HeaderTable {
        if let table = ofRequest ? requestTrailers.take() : responseTrailers.take() { return table }
        return HeaderTable()
    }

    private mutating func keepTrailers(_ table: consuming HeaderTable, ofRequest: Bool, isWhole: Bool) {
        if ofRequest {
            requestTrailers = consume table
            hasRequestTrailers = isWhole
        } else {
            responseTrailers = consume table
            hasResponseTrailers = isWhole
        }
    }

    /// Writes the request's head without its end.
    mutating func beginRequest(
        _ codec: inout HTTP2Connection, _ output: inout ByteBuffer, protocolName: ByteRange
    ) -> Bool {
        codec.beginRequest(
            stream: upstreamStream, request, arena: arena, protocolName: protocolName, output: &output)
    }

    /// Writes the response's head without its end.
    mutating func beginResponse(_ codec: inout HTTP2Connection, _ output: inout ByteBuffer) -> Bool {
        codec.beginResponse(stream: downstreamStream, response, arena: arena, output: &output)
    }

    mutating func writeTrailers(_ codec: inout HTTP2Connection, _ output: inout ByteBuffer, ofRequest: Bool) {
        let stream = ofRequest ? upstreamStream : downstreamStream
        let table = takeTrailers(ofRequest: ofRequest)
        if codec.beginTrailers(stream: stream, table, arena: arena, output: &output) {
            codec.endHead(endsStream: true, output: &output)
        }
        // What they said is still of interest to the log.
        keepTrailers(table, ofRequest: ofRequest, isWhole: true)
    }

    /// Writes trailers as lines of HTTP/1.1.
    mutating func writeTrailers(to output: inout ByteBuffer, ofRequest: Bool) {
        guard ofRequest ? hasRequestTrailers : hasResponseTrailers else { return }
        let table = takeTrailers(ofRequest: ofRequest)
        Self.writeLines(table, arena, to: &output)
        keepTrailers(table, ofRequest: ofRequest, isWhole: true)
    }

    private static func writeLines(
        _ table: borrowing HeaderTable, _ arena: borrowing ByteBuffer, to output: inout ByteBuffer
    ) {
        for index in 0..<table.count where !table[index].isRemoved {
            let field = table[index]
            output.append(from: arena, offset: field.name.lowerBound, count: field.name.count)
            output.append(": ")
            output.append(from: arena, offset: field.value.lowerBound, count: field.value.count)
            output.append("\r\n")
        }
    }

    /// Takes one trailer line of HTTP/1.1, with its line end, from `input`'s storage.
    mutating func addTrailer(_ input: borrowing ByteBuffer, offset: Int, count: Int, ofRequest: Bool) {
        let start = arena.end
        arena.append(from: input, offset: offset, count: count)
        guard let colon = arena.storage.firstIndex(of: 0x3a, in: ByteRange(start: start, length: count)) else { return }
        let name = ByteRange(start: start, length: colon - start)
        let value = arena.storage.trimmed(ByteRange(start: colon + 1, length: start + count - 2 - colon - 1))
        let field = HeaderField(name: name, value: value, id: KnownHeader.classify(arena.storage, name))
        var table = takeTrailers(ofRequest: ofRequest)
        if !(ofRequest ? hasRequestTrailers : hasResponseTrailers) { table.reset() }
        _ = table.append(field)
        keepTrailers(table, ofRequest: ofRequest, isWhole: true)
    }

    /// An extended CONNECT (RFC 8441) as HTTP/1.1 says it: the rest of the proxy knows one form of upgrades only.
    mutating func becomeUpgrade(_ name: ByteRange) {
        let start = arena.end
        arena.append("GET")
        request.method = ByteRange(start: start, length: 3)
        request.knownMethod = .get
        addField(.connection, "upgrade")
        addField(.upgrade, copying: name)
        requestHead.asksForUpgrade = true
        isExtendedConnect = true
    }

    /// Whether the request says how long its body is.
    var requestHasLength: Bool { request.first(.contentLength) != nil }

    mutating func nextRequestPiece(_ input: borrowing ByteBuffer, _ limits: Limits) -> BodyDecoder.Step {
        requestBody.next(input.storage, from: input.start, limits: limits)
    }

    /// The numeric value of grpc-status in the trailers, or in the head where there are no trailers; negative is none.
    var receivedGRPCStatus: Int16 {
        let trailer = hasResponseTrailers ? responseTrailers?.first(.grpcStatus) : nil
        guard let range = trailer ?? response.first(.grpcStatus), let number = decimal(range) else { return -1 }
        return Int16(clamping: number)
    }
}
