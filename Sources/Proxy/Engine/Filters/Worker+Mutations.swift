internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import TLS
internal import Telemetry

/// Changes of header fields: those of routes, and those of the header mutation filter.
extension Worker where Wire: ~Copyable {
    mutating func mutateRequest(_ exchange: Handle, _ table: RouteTable, _ mutation: HeaderMutation) {
        if mutation.format == .max {
            exchanges[exchange].mutateRequest(mutation, name: table.bytes(mutation.name), table.bytes(mutation.value))
        } else if format(mutation, exchange) {
            var text = ByteBuffer()
            swap(&text, &formatted)
            exchanges[exchange].mutateRequest(mutation, name: table.bytes(mutation.name), text.bytes)
            swap(&text, &formatted)
        }
    }

    mutating func mutateResponse(_ exchange: Handle, _ table: RouteTable, _ mutation: HeaderMutation) {
        if mutation.format == .max {
            exchanges[exchange].mutateResponse(mutation, name: table.bytes(mutation.name), table.bytes(mutation.value))
        } else if format(mutation, exchange) {
            var text = ByteBuffer()
            swap(&text, &formatted)
            exchanges[exchange].mutateResponse(mutation, name: table.bytes(mutation.name), text.bytes)
            swap(&text, &formatted)
        }
    }

    mutating func mutateRequest(_ exchange: Handle, _ list: HeaderMutationList) {
        for mutation in list.mutations {
            if mutation.format == .max {
                exchanges[exchange].mutateRequest(
                    mutation, name: list.bytes(mutation.name), list.bytes(mutation.value))
            } else if format(mutation, exchange) {
                var text = ByteBuffer()
                swap(&text, &formatted)
                exchanges[exchange].mutateRequest(mutation, name: list.bytes(mutation.name), text.bytes)
                swap(&text, &formatted)
            }
        }
    }

    mutating func mutateResponse(_ exchange: Handle, _ list: HeaderMutationList) {
        for mutation in list.mutations {
            if mutation.format == .max {
                exchanges[exchange].mutateResponse(
                    mutation, name: list.bytes(mutation.name), list.bytes(mutation.value))
            } else if format(mutation, exchange) {
                var text = ByteBuffer()
                swap(&text, &formatted)
                exchanges[exchange].mutateResponse(mutation, name: list.bytes(mutation.name), text.bytes)
                swap(&text, &formatted)
            }
        }
    }

    // MARK: The header mutation filter

    mutating func mutateRequest(_ exchange: Handle, _ filter: HeaderMutationFilter, _ route: RouteFilters.Entry?) {
        for level in filter.levels { mutateRequest(exchange, level.request) }
        guard case .headerMutation(let more)? = route?.configuration else { return }
        for level in filter.mostSpecificWins ? more.levels : more.levels.reversed() {
            mutateRequest(exchange, level.request)
        }
    }

    mutating func mutateResponse(_ exchange: Handle, _ filter: HeaderMutationFilter, _ route: RouteFilters.Entry?) {
        for level in filter.levels { mutateResponse(exchange, level.response) }
        guard case .headerMutation(let more)? = route?.configuration else { return }
        for level in filter.mostSpecificWins ? more.levels : more.levels.reversed() {
            mutateResponse(exchange, level.response)
        }
    }

    // MARK: Command operators

    /// Writes a mutation's value into `formatted`; false when there is none and none is to be set.
    private mutating func format(_ mutation: HeaderMutation, _ exchange: Handle) -> Bool {
        let snapshot = generations[exchanges[exchange].generation].snapshot
        let downstream = exchanges[exchange].downstream
        guard Int(mutation.format) < snapshot.headerFormats.count, connections.contains(downstream) else {
            return false
        }
        buffers.lend(&formatted)
        formatted.clear()
        var record = exchanges[exchange].record
        record.startedWall = exchanges[exchange].startedWall
        record.ended = transport.microseconds
        record.headStatus = exchanges[exchange].response.status
        if exchanges[exchange].isLocalReply {
            // As Envoy's: the route sees the reply before it is made into one for gRPC, and before its code is noted.
            let status = exchanges[exchange].filters.replyStatus
            let isAtRoute = exchanges[exchange].filters.isAtRoute
            record.status = isAtRoute ? 0 : status
            if isAtRoute { record.headStatus = status }
        }
        connections[downstream].describe(&record)
        if let client = exchanges[exchange].remoteAddress { record.downstreamRemote = client.logged }
        let names = logNames(exchange, snapshot)
        exchanges[exchange].write(
            snapshot.headerFormats[Int(mutation.format)], record, names, &connections[downstream], to: &formatted)
        return mutation.keepsEmpty || !formatted.isEmpty
    }
}

extension Exchange {
    mutating func mutateRequest(
        _ mutation: HeaderMutation, name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>
    ) {
        Self.mutate(&request, &arena, mutation.kind, name: name, value)
    }

    mutating func mutateResponse(
        _ mutation: HeaderMutation, name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>
    ) {
        Self.mutate(&response, &arena, mutation.kind, name: name, value)
    }

    /// Sets a field of the response, in the place of those with its name.
    mutating func setResponseField(_ name: String, _ value: [UInt8]) {
        let name = Array(name.utf8)
        Self.mutate(&response, &arena, .overwriteOrAdd, name: name.span, value.span)
    }

    /// Applies one header mutation to a head whose bytes are in `arena`. `name` is lower case.
    static func mutate(
        _ head: inout HeaderTable, _ arena: inout ByteBuffer, _ kind: HeaderMutation.Kind,
        name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>
    ) {
        // The body's framing is the proxy's own: a length that is not true lets one message be read as two.
        if isFraming(name) { return }
        var exists = false
        for index in 0..<head.count where !head[index].isRemoved {
            guard isEqual(head[index].name, name, arena) else { continue }
            exists = true
            switch kind {
            case .overwriteOrAdd, .overwriteIfPresent, .remove: head.remove(at: index)
            case .append, .addIfAbsent: break
            }
        }
        switch kind {
        case .remove: return
        case .addIfAbsent: if exists { return }
        case .overwriteIfPresent: if !exists { return }
        case .append, .overwriteOrAdd: break
        }
        let start = arena.end
        arena.append(name)
        arena.append(": ")
        let valueStart = arena.end
        arena.append(value)
        let end = arena.end
        arena.append("\r\n")
        let range = ByteRange(start: start, length: name.count)
        let id = KnownHeader.classify(arena.storage, range)
        _ = head.append(HeaderField(name: range, value: ByteRange(start: valueStart, length: end - valueStart), id: id))
    }

    /// `content-length` and `transfer-encoding`.
    private static func isFraming(_ name: borrowing Span<UInt8>) -> Bool {
        switch name.count {
        case 14: isName(name, "content-length")
        case 17: isName(name, "transfer-encoding")
        default: false
        }
    }

    private static func isName(_ name: borrowing Span<UInt8>, _ text: StaticString) -> Bool {
        // SAFETY: utf8Start of a literal is valid for its utf8CodeUnitCount bytes.
        let literal = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        for offset in 0..<min(name.count, literal.count) where name[offset] != literal[offset] { return false }
        return name.count == literal.count
    }

    private static func isEqual(_ range: ByteRange, _ name: borrowing Span<UInt8>, _ arena: borrowing ByteBuffer)
        -> Bool
    {
        guard range.count == name.count else { return false }
        for offset in 0..<name.count where asciiLowercased(arena.storage[range.lowerBound + offset]) != name[offset] {
            return false
        }
        return true
    }
}
