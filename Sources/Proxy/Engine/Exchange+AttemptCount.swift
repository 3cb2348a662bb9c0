internal import HeaderBlock
internal import Memory

extension Exchange {
    /// Adds `name: number` to the response.
    mutating func addResponseCount(_ id: KnownHeader, _ number: Int) {
        let mark = arena.end
        arena.append(id.name)
        let length = arena.end - mark
        arena.append(": ")
        let start = arena.end
        arena.append(decimal: number)
        let end = arena.end
        arena.append("\r\n")
        _ = response.append(
            HeaderField(
                name: ByteRange(start: mark, length: length), value: ByteRange(start: start, length: end - start),
                id: id))
    }
}
