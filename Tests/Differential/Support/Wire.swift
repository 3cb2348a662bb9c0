import Foundation
import Synchronization
import TLS

/// Why nothing more can be read from a wire.
enum WireEnd: Error {
    case closed
    case reset
    case timeout
}

/// A blocking connection, plaintext or TLS, for one thread at a time.
final class Wire {
    private var descriptor: Int32
    private var session: Secured?

    /// A TLS session is not copyable, and neither are optionals of it handy.
    private final class Secured {
        let session: TLSSession
        var ciphertext: [UInt8] = []

        init(_ context: TLSContext, serverName: String?) throws {
            session = try TLSSession(context, serverName: serverName)
        }
    }

    init(accepted descriptor: Int32) {
        self.descriptor = descriptor
        configure()
    }

    /// Connects to a port of the loopback.
    init(port: UInt16, from source: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var local = Self.address(source, port: 0)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafePointer(to: &local) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        var address = Self.address("127.0.0.1", port: port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        configure()
        guard result == 0 else { throw WireEnd.reset }
    }

    deinit { close() }

    static func address(_ text: String, port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr(text)
        return address
    }

    private func configure() {
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    // MARK: TLS

    /// The protocol that ALPN chose; empty without one.
    var applicationProtocol: String { session?.session.applicationProtocol ?? "" }
    var serverName: String? { session?.session.serverName }

    func secure(_ context: TLSContext, serverName: String? = nil) throws {
        let secured = try Secured(context, serverName: serverName)
        session = secured
        while !secured.session.isEstablished {
            var room = [UInt8](repeating: 0, count: 32 * 1024)
            let step = secured.ciphertext.withUnsafeBytes { input in
                room.withUnsafeMutableBytes { secured.session.handshake(input: input, output: $0) }
            }
            secured.ciphertext.removeFirst(step.consumed)
            if step.produced > 0 { try write(room[..<step.produced]) }
            if secured.session.isEstablished { break }
            if step.status == .failed || step.status == .closed { throw WireEnd.closed }
            if step.consumed == 0, step.produced == 0 {
                secured.ciphertext += try readSocket(within: 3000)
            }
        }
    }

    // MARK: Bytes

    func send(_ bytes: [UInt8]) throws {
        guard let secured = session else { return try write(bytes[...]) }
        var sent = 0
        while sent < bytes.count {
            var room = [UInt8](repeating: 0, count: 32 * 1024)
            let step = bytes.withUnsafeBytes { head in
                room.withUnsafeMutableBytes {
                    secured.session.write(
                        UnsafeRawBufferPointer(rebasing: head[sent...]), UnsafeRawBufferPointer(start: nil, count: 0),
                        output: $0)
                }
            }
            guard step.plaintext > 0 || step.produced > 0 else { throw WireEnd.closed }
            sent += step.plaintext
            try write(room[..<step.produced])
        }
    }

    /// What has arrived, waiting for it if nothing has.
    func receive(within milliseconds: Int) throws -> [UInt8] {
        guard let secured = session else { return try readSocket(within: milliseconds) }
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while true {
            var plaintext = [UInt8](repeating: 0, count: 32 * 1024)
            var room = [UInt8](repeating: 0, count: 32 * 1024)
            let step = secured.ciphertext.withUnsafeBytes { input in
                room.withUnsafeMutableBytes { output in
                    plaintext.withUnsafeMutableBytes {
                        secured.session.read(input: input, output: output, into: $0)
                    }
                }
            }
            secured.ciphertext.removeFirst(step.consumed)
            if step.produced > 0 { try write(room[..<step.produced]) }
            if step.plaintext > 0 { return Array(plaintext[..<step.plaintext]) }
            if step.status == .closed { throw WireEnd.closed }
            if step.status == .failed { throw WireEnd.reset }
            if step.consumed == 0 {
                let left = (end - ContinuousClock.now) / .milliseconds(1)
                secured.ciphertext += try readSocket(within: max(0, Int(left)))
            }
        }
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            guard descriptor >= 0, waits(for: Int16(POLLOUT), 3000) else { throw WireEnd.timeout }
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw errno == ECONNRESET || errno == EPIPE ? WireEnd.reset : WireEnd.closed }
            rest = rest.dropFirst(count)
        }
    }

    private func readSocket(within milliseconds: Int) throws -> [UInt8] {
        guard descriptor >= 0 else { throw WireEnd.closed }
        guard waits(for: Int16(POLLIN), milliseconds) else { throw WireEnd.timeout }
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count < 0 { throw WireEnd.reset }
        if count == 0 { throw WireEnd.closed }
        return Array(chunk[..<count])
    }

    private func waits(for events: Int16, _ milliseconds: Int) -> Bool {
        var item = pollfd(fd: descriptor, events: events, revents: 0)
        return poll(&item, 1, Int32(milliseconds)) > 0
    }

    // MARK: Ends

    /// Nothing happens for a while.
    func pause(_ milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }

    func shutdownWrite() {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    func close() {
        guard descriptor >= 0 else { return }
        if let secured = session {
            var room = [UInt8](repeating: 0, count: 4096)
            let step = room.withUnsafeMutableBytes { secured.session.shutdown(output: $0) }
            if step.produced > 0 {
                _ = room.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, step.produced, Int32(MSG_NOSIGNAL))
                }
            }
        }
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Closes with a reset.
    func reset() {
        guard descriptor >= 0 else { return }
        var hard = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &hard, socklen_t(MemoryLayout<linger>.size))
        Glibc.close(descriptor)
        descriptor = -1
    }
}

/// A listening socket on a free port of the loopback.
final class ListeningSocket: Sendable {
    let descriptor: Int32
    let port: UInt16

    /// - Parameter listens: without it the port is taken, and connections to it are refused.
    init(listens: Bool = true, port wanted: UInt16 = 0) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = Wire.address("127.0.0.1", port: wanted)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let length = size
        let socket = descriptor
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &size) == 0
            }
        }
        guard bound, !listens || listen(descriptor, 128) == 0 else { throw WireEnd.closed }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { Glibc.close(descriptor) }

    /// The next connection; nil when none came in time.
    func accept(within milliseconds: Int32) -> Wire? {
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&item, 1, milliseconds) > 0 else { return nil }
        let connection = Glibc.accept(descriptor, nil, nil)
        return connection >= 0 ? Wire(accepted: connection) : nil
    }

    /// Ports for the proxies' listeners: below those that the kernel gives to clients, each handed out once.
    private static let next = Atomic<Int>(Int.random(in: 10_000..<30_000))

    /// A port that was free a moment ago.
    static func freePort() throws -> UInt16 {
        for _ in 0..<1000 {
            let number = 10_000 + next.wrappingAdd(1, ordering: .relaxed).newValue % 20_000
            if let socket = try? ListeningSocket(listens: false, port: UInt16(number)) { return socket.port }
        }
        throw CaseError("no free port between 10000 and 30000")
    }
}
