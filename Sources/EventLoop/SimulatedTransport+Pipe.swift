import Memory

/// Pipes as the kernel has them, of bytes in memory: they fill and empty in pieces as the weather wants.
extension SimulatedTransport {
    package mutating func openPipe() -> Pipe? {
        guard havingPipes else { return nil }
        let number = Int32(pipes.count)
        pipes.append([])
        openPipes += 1
        return Pipe(reading: number, writing: number, capacity: 64 * 1024)
    }

    package mutating func close(_ pipe: Pipe) {
        pipes[Int(pipe.reading)] = []
        openPipes -= 1
    }

    package mutating func fill(_ pipe: Pipe, from socket: Int32) -> Int {
        precondition(pipes[Int(pipe.writing)].isEmpty, "pipe: filled before it was empty")
        var buffer = ByteBuffer(capacity: pipe.capacity)
        let count = receive(socket, into: &buffer)
        if count > 0 { pipes[Int(pipe.writing)] = buffer.withReadable { Array($0) } }
        return count
    }

    package mutating func drain(_ pipe: Pipe, count: Int, to socket: Int32) -> Int {
        precondition(pipes[Int(pipe.reading)].count == count, "pipe: another number of bytes than it holds")
        let sent = write(socket, pipes[Int(pipe.reading)])
        if sent > 0 { pipes[Int(pipe.reading)].removeFirst(sent) }
        return sent
    }
}
