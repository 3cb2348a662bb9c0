internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing

/// What an exchange does with buffers of the worker and of its connections. The methods take those as `inout`: a worker
/// lends out one element of a slab and a buffer of another at a time.
extension Exchange {
    mutating func parseRequest(_ input: inout ByteBuffer, _ limits: Limits) -> HeadResult {
        RequestParser.parse(input.storage, from: input.start, limits: limits, into: &request)
    }

    mutating func parseResponse(_ input: inout ByteBuffer, _ limits: Limits) -> HeadResult {
        ResponseParser.parse(input.storage, from: input.start, isHead: isHead, limits: limits, into: &response)
    }

    mutating func scanRequestBody(_ input: inout ByteBuffer, _ limits: Limits) -> BodyDecoder.Step {
        requestBody.scan(input.bytes, from: 0, limits: limits)
    }

    mutating func scanResponseBody(_ input: inout ByteBuffer, _ limits: Limits) -> BodyDecoder.Step {
        responseBody.scan(input.bytes, from: 0, limits: limits)
    }

    mutating func nextResponsePiece(_ input: inout ByteBuffer, _ limits: Limits) -> BodyDecoder.Step {
        responseBody.next(input.storage, from: input.start, limits: limits)
    }

    /// Takes over the buffer with the head; what follows the head goes to `rest`, which must have memory then.
    mutating func takeRequestHead(_ input: inout ByteBuffer, _ pool: inout BufferPool, length: Int) {
        swap(&arena, &input)
        let end = arena.start &+ length
        let rest = arena.end &- end
        if rest > 0 {
            pool.lend(&input)
            input.append(from: arena, offset: end, count: rest)
            arena.truncate(to: end)
        }
    }

    /// Copies the response's head behind what is in the arena, where it outlives the upstream connection.
    mutating func takeResponseHead(_ input: inout ByteBuffer, length: Int) {
        let from = input.start
        let to = arena.end
        arena.append(from: input, offset: from, count: length)
        response.move(by: to &- from)
        input.consume(length)
    }

    /// Keeps a copy of the first `count` bytes of the body.
    mutating func keepForReplay(_ input: inout ByteBuffer, count: Int) {
        replay.append(from: input, offset: input.start, count: count)
        replaySent &+= count
    }

    /// Writes what is left of the replay.
    mutating func writeReplay(to output: inout ByteBuffer) {
        let count = replay.count &- replaySent
        output.append(from: replay, offset: replaySent, count: count)
        replaySent &+= count
    }
}
