internal import EventLoop

/// Pipes of one worker, for TCP flows that are worth one. Connections with nothing on its way hold none.
struct PipePool {
    /// At most so many at a time, 256 KiB each; flows beyond are copied.
    static var most: Int { 64 }
    /// Kept open for the next flow.
    static var kept: Int { 8 }

    private var free: [Pipe] = []
    /// With connections. Zero when nothing is in flight: the leak check of tests.
    private(set) var lent = 0
    /// False once the kernel has said that it does not splice these sockets.
    var isUsable = true

    init() { free.reserveCapacity(Self.kept) }

    mutating func take<Wire: Transport & ~Copyable>(_ transport: inout Wire) -> Pipe? {
        guard isUsable, lent < Self.most else { return nil }
        guard let pipe = free.popLast() ?? transport.openPipe() else { return nil }
        lent &+= 1
        return pipe
    }

    /// Takes an empty pipe back; one that holds bytes is closed with them.
    mutating func giveBack<Wire: Transport & ~Copyable>(_ pipe: Pipe, isEmpty: Bool, _ transport: inout Wire) {
        lent &-= 1
        if isEmpty, free.count < Self.kept { free.append(pipe) } else { transport.close(pipe) }
    }

    /// Closes those that are kept.
    mutating func closeAll<Wire: Transport & ~Copyable>(_ transport: inout Wire) {
        while let pipe = free.popLast() { transport.close(pipe) }
    }
}
