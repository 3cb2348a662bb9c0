internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Routing

/// Reading and changing the two heads of an exchange. Both tables index the arena's storage; added fields are written
/// behind the heads, as they will go out.
extension Exchange {
    /// Hands the request's head to `body`, for decisions.
    func decide(_ table: RouteTable, random: UInt64) -> RouteDecision {
        table.decide(HeadView(request, bytes: arena.storage), random: random)
    }

    /// The same for the table of a connection manager, whose routes may ask what filters found out.
    func decide(_ table: RouteTable, of snapshot: RuntimeSnapshot, random: UInt64) -> RouteDecision {
        snapshot.decide(
            table, HeadView(request, bytes: arena.storage), random: random, metadata: filters.metadata)
    }

    mutating func removeRequestHopByHop() {
        Self.removeHopByHop(&request, &arena, nominated: requestHead.nominatesFields, isRequest: true)
    }

    mutating func removeResponseHopByHop() {
        Self.removeHopByHop(&response, &arena, nominated: responseHead.nominatesFields, isRequest: false)
    }

    private static func removeHopByHop(
        _ table: inout HeaderTable, _ arena: inout ByteBuffer, nominated: Bool, isRequest: Bool
    ) {
        HopByHop.remove(from: &table, arena.storage, nominated: nominated, isRequest: isRequest)
    }

    /// Makes one x-forwarded-for of several (RFC 9110 section 5.3): who looks at one must see all.
    mutating func joinForwardedFor(_ scratch: inout [UInt8]) {
        guard request.first(.xForwardedFor) != nil else { return }
        var count = 0
        for index in 0..<request.count where request[index].id == .xForwardedFor && !request[index].isRemoved {
            count &+= 1
        }
        guard count > 1 else { return }
        scratch.removeAll(keepingCapacity: true)
        _ = copyForwardedFor(to: &scratch)
        request.removeAll(.xForwardedFor)
        addField(.xForwardedFor, scratch)
    }

    /// Appends all values of x-forwarded-for, a comma between them; false when there are none.
    mutating func copyForwardedFor(to output: inout [UInt8]) -> Bool {
        var found = false
        for index in 0..<request.count where request[index].id == .xForwardedFor && !request[index].isRemoved {
            if found { output.append(0x2c) }
            let value = request[index].value
            for offset in value.lowerBound..<value.upperBound { output.append(arena.storage[offset]) }
            found = true
        }
        return found
    }

    /// Whether the path holds a fragment.
    var requestPathHasFragment: Bool {
        var index = request.path.lowerBound
        while index < request.path.upperBound {
            if arena.storage[index] == 0x23 { return true }
            index &+= 1
        }
        return false
    }

    /// How many bytes of the authority stand before its port; nil when it has none.
    var authorityWithoutPort: Int? {
        var index = request.authority.upperBound
        while index > request.authority.lowerBound {
            index &-= 1
            let byte = arena.storage[index]
            if byte == 0x3a { return index &- request.authority.lowerBound }
            guard byte &- 0x30 <= 9 else { return nil }
        }
        return nil
    }

    func requestPathEquals(_ path: [UInt8]) -> Bool { arena.storage.equals(request.path, path) }

    /// The text at `range` of the arena.
    func text(_ range: ByteRange) -> String { arena.storage.string(range) }

    func bytes(_ range: ByteRange) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in range.lowerBound..<range.upperBound { bytes.append(arena.storage[index]) }
        return bytes
    }

    /// Appends the bytes at `range` of the arena to `output`.
    mutating func copy(_ range: ByteRange, to output: inout [UInt8]) {
        for index in range.lowerBound..<range.upperBound { output.append(arena.storage[index]) }
    }

    /// The address in place `place` from the end of a list with commas, the last being 1; nil when there is none.
    func forwardedAddress(_ list: ByteRange, fromEnd place: Int) -> IPAddress? {
        var end = list.upperBound
        var left = place
        while true {
            var start = end
            while start > list.lowerBound, arena.storage[start &- 1] != 0x2c { start &-= 1 }
            left &-= 1
            if left == 0 {
                while start < end, arena.storage[start] == 0x20 { start &+= 1 }
                while end > start, arena.storage[end &- 1] == 0x20 { end &-= 1 }
                return IPAddress(ascii: arena.storage.extracting(start..<end))
            }
            guard start > list.lowerBound else { return nil }
            end = start &- 1
        }
    }

    /// The time limits of this request: the route's, and what the request asks for.
    func timeoutPlan(_ route: RouteEntry, _ asked: AskedOfRouter) -> TimeoutPlan {
        var grpc: UInt64?
        if route.maxGRPCTimeoutNanoseconds != .max, RequestKind.isGRPC(HeadView(request, bytes: arena.storage)) {
            grpc = askedGRPCTimeout ?? 0
        }
        return TimeoutPlan(
            route: route.timeoutNanoseconds, perTry: tryTimeout,
            requestedTotal: asked.timeout,
            requestedPerTry: asked.tryTimeout,
            grpc: grpc,
            grpcLimit: route.maxGRPCTimeoutNanoseconds == .max ? nil : route.maxGRPCTimeoutNanoseconds)
    }

    /// What `grpc-timeout` asks for, in nanoseconds; nil when it is absent or malformed.
    var askedGRPCTimeout: UInt64? {
        guard let range = request.first(.grpcTimeout) else { return nil }
        return TimeoutPlan.grpcTimeout(arena.storage.extracting(range.lowerBound..<range.upperBound))
    }

    func decimal(_ range: ByteRange) -> Int? { arena.storage.decimal(range) }

    /// The value of the request header with this name; nil when it has none.
    func requestHeader(_ name: HeaderName) -> [UInt8]? {
        guard let value = HeadView(request, bytes: arena.storage).first(name) else { return nil }
        return bytes(value)
    }

    mutating func writePath(_ table: RouteTable, _ decision: RouteDecision, into output: inout [UInt8]) -> Bool {
        table.writePath(for: decision, HeadView(request, bytes: arena.storage), into: &output)
    }

    mutating func writeRedirect(_ table: RouteTable, _ decision: RouteDecision, into output: inout [UInt8]) {
        table.writeRedirect(for: decision, HeadView(request, bytes: arena.storage), into: &output)
    }

    /// Appends bytes that no field refers to yet, and answers where they are.
    mutating func append(_ bytes: inout [UInt8]) -> ByteRange {
        let start = arena.end
        arena.append(bytes.span)
        return ByteRange(start: start, length: bytes.count)
    }

    /// Appends bytes of a route table.
    mutating func append(_ table: RouteTable, _ text: PooledBytes) -> ByteRange {
        let start = arena.end
        arena.append(table.bytes(text))
        return ByteRange(start: start, length: Int(text.count))
    }

    // MARK: Request fields

    /// Adds `name: value` to the request.
    mutating func addField(_ id: KnownHeader, _ value: [UInt8]) {
        let mark = beginField(id)
        arena.append(value.span)
        endField(id, mark)
    }

    mutating func addField(_ id: KnownHeader, _ value: StaticString) {
        let mark = beginField(id)
        arena.append(value)
        endField(id, mark)
    }

    mutating func addField(_ id: KnownHeader, decimal: Int) {
        let mark = beginField(id)
        arena.append(decimal: decimal)
        endField(id, mark)
    }

    /// Tells a gRPC endpoint how long it has: eight digits at most (Grpc::Common::toGrpcTimeout).
    mutating func setGRPCTimeout(milliseconds: Int) {
        guard RequestKind.isGRPC(HeadView(request, bytes: arena.storage)) else { return }
        request.removeAll(.grpcTimeout)
        let mark = beginField(.grpcTimeout)
        let isLong = milliseconds > 99_999_999
        arena.append(decimal: isLong ? min(milliseconds / 1000, 99_999_999) : milliseconds)
        arena.append(isLong ? "S" : "m")
        endField(.grpcTimeout, mark)
    }

    /// Adds a field with a copy of other bytes of the arena.
    mutating func addField(_ id: KnownHeader, copying range: ByteRange) {
        let mark = beginField(id)
        arena.appendOwn(offset: range.lowerBound, count: range.count)
        endField(id, mark)
    }

    @inline(__always)
    private mutating func beginField(_ id: KnownHeader) -> Int {
        let mark = arena.end
        arena.append(id.name)
        arena.append(": ")
        return mark
    }

    @inline(__always)
    private mutating func endField(_ id: KnownHeader, _ mark: Int) { _ = request.append(fieldText(id, mark)) }

    /// Ends the line that began at `mark`; the field it holds.
    @inline(__always)
    private mutating func fieldText(_ id: KnownHeader, _ mark: Int) -> HeaderField {
        let end = arena.end
        arena.append("\r\n")
        let length = id.name.utf8CodeUnitCount
        let value = ByteRange(start: mark &+ length &+ 2, length: end &- mark &- length &- 2)
        return HeaderField(name: ByteRange(start: mark, length: length), value: value, id: id)
    }

    /// Adds `name: value` to the response.
    mutating func addResponseField(_ id: KnownHeader, _ value: StaticString) {
        let mark = beginField(id)
        arena.append(value)
        _ = response.append(fieldText(id, mark))
    }

    /// Adds a field with a copy of other bytes of the arena to the response.
    mutating func addResponseField(_ id: KnownHeader, copying range: ByteRange) {
        let mark = beginField(id)
        arena.appendOwn(offset: range.lowerBound, count: range.count)
        _ = response.append(fieldText(id, mark))
    }

    /// Sets x-envoy-upstream-service-time in the response.
    mutating func addServiceTime(milliseconds: Int) {
        response.removeAll(.xEnvoyUpstreamServiceTime)
        let mark = beginField(.xEnvoyUpstreamServiceTime)
        arena.append(decimal: milliseconds)
        _ = response.append(fieldText(.xEnvoyUpstreamServiceTime, mark))
    }

    /// Adds x-request-id, a random UUID (RFC 9562 version 4) from 128 random bits.
    @inline(__always)
    mutating func addRequestID(_ first: UInt64, _ second: UInt64, _ digits: borrowing InlineArray<256, UInt16>) {
        let mark = beginField(.xRequestID)
        let start = arena.end
        arena.reserve(40)
        Self.hex(first & ~0xf000 | 0x4000, dashes: 0b1_0101_0000, &arena, digits)
        Self.hex(second & ~(3 << 62) | 2 << 62, dashes: 0b0000_0100, &arena, digits)
        requestID = ByteRange(start: start, length: 36)
        endField(.xRequestID, mark)
    }

    /// Writes sixteen digits; bit n of `dashes` puts a dash behind byte n.
    @inline(__always)
    private static func hex(
        _ value: UInt64, dashes: Int, _ output: inout ByteBuffer, _ digits: borrowing InlineArray<256, UInt16>
    ) {
        var byte = 1
        while byte <= 8 {
            let pair = digits[Int(truncatingIfNeeded: value >> UInt64(64 &- 8 &* byte) & 255)]
            output.append(UInt8(truncatingIfNeeded: pair))
            output.append(UInt8(truncatingIfNeeded: pair >> 8))
            if dashes >> byte & 1 == 1 { output.append(0x2d) }
            byte &+= 1
        }
    }

    // MARK: Writing

    /// Writes the request's head for HTTP/1.1.
    @inline(__always)
    mutating func writeRequestHead(to output: inout ByteBuffer, attempts: UInt32) {
        output.append(from: arena, offset: request.method.lowerBound, count: request.method.count)
        output.append(0x20)
        let target = request.knownMethod == .connect ? request.authority : request.path
        output.append(from: arena, offset: target.lowerBound, count: target.count)
        output.append(" HTTP/1.1\r\n")
        let replacesHost = requestHead.isAbsoluteForm
        if replacesHost || request.version == .http10 && request.first(.host) == nil {
            output.append("host: ")
            output.append(from: arena, offset: request.authority.lowerBound, count: request.authority.count)
            output.append("\r\n")
        }
        Self.writeFields(request, arena, to: &output, skipping: replacesHost ? .host : .other)
        if attempts > 0 {
            output.append("x-envoy-attempt-count: ")
            output.append(decimal: Int(attempts))
            output.append("\r\n")
        }
        output.append("\r\n")
    }

    /// Writes the status line and the fields of the response, without its empty line.
    @inline(__always)
    mutating func writeResponseHead(to output: inout ByteBuffer, skipping: KnownHeader) {
        output.append("HTTP/1.1 ")
        output.append(decimal: Int(response.status))
        output.append(0x20)
        output.append(from: arena, offset: response.method.lowerBound, count: response.method.count)
        output.append("\r\n")
        Self.writeFields(response, arena, to: &output, skipping: skipping)
    }

    /// Writes the fields that are left, in runs where they stand side by side in the original.
    @inline(__always)
    private static func writeFields(
        _ table: borrowing HeaderTable, _ arena: borrowing ByteBuffer, to output: inout ByteBuffer,
        skipping: KnownHeader
    ) {
        var runStart = 0
        var runEnd = 0
        var previous = -2
        var index = 0
        let count = table.count
        while index < count {
            let field = table[index]
            if !field.isRemoved, field.id == .other || field.id != skipping {
                let nameStart = Int(field.nameStart)
                if previous &+ 1 == index, nameStart == runEnd &+ 2 {
                    runEnd = field.value.upperBound
                } else {
                    if runEnd > runStart {
                        output.append(from: arena, offset: runStart, count: runEnd &- runStart)
                        output.append("\r\n")
                    }
                    runStart = nameStart
                    runEnd = field.value.upperBound
                }
                previous = index
            }
            index &+= 1
        }
        if runEnd > runStart {
            output.append(from: arena, offset: runStart, count: runEnd &- runStart)
            output.append("\r\n")
        }
    }

    /// Writes the request's id for the response.
    mutating func writeRequestID(to output: inout ByteBuffer) {
        output.append(from: arena, offset: requestID.lowerBound, count: requestID.count)
    }

    /// Normalises the path; false when it must be refused.
    mutating func normalizePath(dots: Bool, merging: Bool, scratch: inout [UInt8]) -> Bool {
        guard PathNormalizer.needsWork(arena.storage, request.path, dots: dots, merging: merging) else { return true }
        scratch.removeAll(keepingCapacity: true)
        guard
            PathNormalizer.normalize(
                arena.storage, request.path, dots: dots, merging: merging, into: &scratch)
        else {
            return false
        }
        request.path = append(&scratch)
        return true
    }
}
