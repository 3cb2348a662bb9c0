import EventLoop
import Glibc
import TLS

/// A connection for one health check: blocking, with a deadline for everything together, over TLS where the cluster has it.
final class ProbeConnection {
    private let socket: Int32
    private let deadline: ContinuousClock.Instant
    private var session: TLSSession?
    private var isSecured = false
    /// Ciphertext that was received and not yet used.
    private var cipher: [UInt8] = []

    /// - Returns: nil when no connection comes about before the deadline.
    init?(
        _ address: SocketAddress, mark: Int32, tls: TLSContext?, serverName: String, deadline: ContinuousClock.Instant
    ) {
        self.deadline = deadline
        socket = ClientSocket.open(address, mark: mark)
        guard socket >= 0 else { return nil }
        guard wait(for: Int16(POLLOUT)), ClientSocket.error(socket) == 0 else { return nil }
        guard let tls else { return }
        do { session = try TLSSession(tls, serverName: serverName.isEmpty ? nil : serverName) } catch { return nil }
        isSecured = true
        guard shakeHands() else { return nil }
    }

    deinit { if socket >= 0 { close(socket) } }

    private func wait(for events: Int16) -> Bool {
        let left = deadline - .now
        guard left > .zero else { return false }
        let (seconds, attoseconds) = left.components
        let milliseconds = Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
        var entry = pollfd(fd: socket, events: events, revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    private func shakeHands() -> Bool {
        while true {
            guard let step = handshakeStep() else { return false }
            switch step.status {
            case .done: return true
            case .wantsOutput: continue
            case .wantsInput: if !receiveCipher() { return false }
            case .closed, .failed: return false
            }
        }
    }

    private func handshakeStep() -> TLSStep? {
        var output = [UInt8](repeating: 0, count: TLSSession.minimumOutputRoom + 16_384)
        var made: TLSStep?
        cipher.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { room in made = session?.handshake(input: input, output: room) }
        }
        return finish(made, output)
    }

    private func readStep(into plain: inout [UInt8]) -> TLSStep? {
        var output = [UInt8](repeating: 0, count: TLSSession.minimumOutputRoom + 16_384)
        var made: TLSStep?
        cipher.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { room in
                plain.withUnsafeMutableBytes { made = session?.read(input: input, output: room, into: $0) }
            }
        }
        return finish(made, output)
    }

    /// Lets go of the ciphertext that a step used, and sends what it made; nil when that fails.
    private func finish(_ made: TLSStep?, _ output: [UInt8]) -> TLSStep? {
        guard let made else { return nil }
        cipher.removeFirst(made.consumed)
        return sendAll(Array(output.prefix(made.produced))) ? made : nil
    }

    private func receiveCipher() -> Bool {
        guard let bytes = receiveRaw(), !bytes.isEmpty else { return false }
        cipher += bytes
        return true
    }

    /// Nil at the deadline or on an error, empty at the end.
    private func receiveRaw() -> [UInt8]? {
        guard wait(for: Int16(POLLIN)) else { return nil }
        var room = [UInt8](repeating: 0, count: 16_384)
        let count = room.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
        return count < 0 ? nil : Array(room.prefix(count))
    }

    private func sendAll(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    socket, buffer.baseAddress?.advanced(by: sent), buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if count < 0, errno == EAGAIN {
                guard wait(for: Int16(POLLOUT)) else { return false }
            } else {
                return false
            }
        }
        return true
    }

    func send(_ bytes: [UInt8]) -> Bool {
        guard isSecured else { return sendAll(bytes) }
        var output = [UInt8](repeating: 0, count: bytes.count + TLSSession.minimumOutputRoom + 4096)
        var made: TLSStep?
        bytes.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { room in made = session?.write(input, output: room) }
        }
        guard let made, made.status != .failed, made.plaintext == bytes.count else { return false }
        return sendAll(Array(output.prefix(made.produced)))
    }

    /// The next bytes; nil at the deadline or on an error, empty at the end.
    func receive() -> [UInt8]? {
        guard isSecured else { return receiveRaw() }
        while true {
            var plain = [UInt8](repeating: 0, count: 16_384)
            guard let step = readStep(into: &plain) else { return nil }
            if step.plaintext > 0 { return Array(plain.prefix(step.plaintext)) }
            switch step.status {
            case .closed: return []
            case .failed: return nil
            case .wantsInput: if !receiveCipher() { return nil }
            case .done, .wantsOutput: continue
            }
        }
    }
}
