import CLinux
import FoundationEssentials
import Glibc

/// One end of a control connection. Calls block; use it on a thread that may.
package final class ControlConnection: Sendable {
    private let socket: Int32
    private let reader: LineReader

    init(socket: Int32) {
        self.socket = socket
        reader = LineReader(socket: socket)
    }

    deinit { Glibc.close(socket) }

    /// Connects to a running mesh. nil: nobody listens.
    package static func connect(to path: String) -> ControlConnection? {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        guard UnixAddress.with(path, { Glibc.connect(socket, $0, $1) }) == 0 else {
            Glibc.close(socket)
            return nil
        }
        return ControlConnection(socket: socket)
    }

    /// A listening socket at `path`, for its owner alone.
    package static func listen(at path: String) throws(LocalMeshError) -> Int32 {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Files.failure("opening a socket") }
        unlink(path)
        guard UnixAddress.with(path, { bind(socket, $0, $1) }) == 0, chmod(path, 0o600) == 0,
            Glibc.listen(socket, 64) == 0
        else {
            let error = Files.failure("listening on \(path)")
            Glibc.close(socket)
            throw error
        }
        return socket
    }

    package func send(_ message: some Encodable, descriptors: [Int32] = []) throws {
        var line = try JSONText.encode(message)
        line.append(10)
        let result = line.withUnsafeBytes {
            martlet_send_descriptors(socket, $0.baseAddress, $0.count, descriptors, Int32(descriptors.count))
        }
        guard result == 0 else { throw Files.failure("talking to the mesh") }
    }

    /// The next message and the descriptors that came with it. nil: the other side is gone.
    package func receive<Message: Decodable>(_ type: Message.Type) throws -> (message: Message, descriptors: [Int32])? {
        guard let (line, descriptors) = try reader.next() else { return nil }
        do {
            return (try JSONText.decode(type, from: line), descriptors)
        } catch {
            for descriptor in descriptors { Glibc.close(descriptor) }
            throw error
        }
    }

    /// Wakes a thread that waits in `receive`.
    package func shutdown() {
        Glibc.shutdown(socket, Int32(SHUT_RDWR))
    }
}

/// Splits what arrives at a socket into lines.
private final class LineReader: @unchecked Sendable {  // SAFETY: one thread reads; writing needs no state of this.
    private let socket: Int32
    private var buffer = Data()
    private var descriptors: [Int32] = []

    init(socket: Int32) {
        self.socket = socket
    }

    func next() throws(LocalMeshError) -> (Data, [Int32])? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = Data(buffer[buffer.startIndex..<end])
                buffer = Data(buffer[buffer.index(after: end)...])
                defer { descriptors = [] }
                return (line, descriptors)
            }
            var chunk = [UInt8](repeating: 0, count: 65536)
            var arrived = [Int32](repeating: -1, count: 16)
            var count: Int32 = 0
            let received = martlet_receive_descriptors(socket, &chunk, chunk.count, &arrived, 16, &count)
            if received < 0 { throw Files.failure("listening to the mesh") }
            if received == 0 { return nil }
            guard buffer.count < 16 << 20 else {
                throw .invalid(what: "a message of the control socket", reason: "it is too long")
            }
            buffer.append(contentsOf: chunk[..<received])
            descriptors += arrived[..<Int(count)]
        }
    }
}

enum UnixAddress {
    /// `path` is at most 107 bytes, which `StateDirectory.create` has seen to.
    static func with(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8.prefix(MemoryLayout.size(ofValue: address.sun_path) - 1))
        // SAFETY: fewer bytes than the field holds are copied into it, and the address is read during the call only.
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
