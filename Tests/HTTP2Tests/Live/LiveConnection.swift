import Glibc

/// A blocking connection to a port of the loopback that reads frames.
final class LiveConnection {
    private let socket: Int32
    private var received: [UInt8] = []
    private(set) var frames: [Frame] = []
    private(set) var isClosed = false

    init(port: UInt16) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // The socket is closed by deinit, which runs: all properties are set.
        guard result == 0 else {
            throw LiveFailure(description: "cannot connect to port \(port): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(socket) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            // The peer may have had enough already: what it said is what counts.
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Forgets the frames that came.
    func clear() { frames = [] }

    /// Reads until `condition` holds, the connection ends, or the time is up. Whether the condition holds.
    func wait(_ milliseconds: Int32 = 10_000, until condition: (LiveConnection) -> Bool) -> Bool {
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(milliseconds)
        while true {
            if condition(self) { return true }
            let left = clock.now.duration(to: end)
            guard !isClosed, left > .zero else { return false }
            var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            let wait = Int32(left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000)
            guard Glibc.poll(&poll, 1, max(1, wait)) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = chunk.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
            if count <= 0 {
                isClosed = true
            } else {
                received += chunk[..<count]
                takeFrames()
            }
        }
    }

    private func takeFrames() {
        let whole = Wire.frames(received)
        received.removeFirst(whole.reduce(0) { $0 + 9 + $1.payload.count })
        frames += whole
    }
}
