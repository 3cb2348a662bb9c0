import CLinux
import FoundationEssentials
import Glibc
import Synchronization

/// The inner side of the line to the host: asks for listening sockets on the host's loopback and keeps them.
///
/// One request at a time: `{"port":80}` goes out, `{"port":80,"hostPort":8080}` comes back with the socket.
package final class HostDoor: Sendable {
    package struct Listener: Sendable, Equatable {
        package var port: UInt16
        package var hostPort: UInt16
        package var descriptor: Int32
    }

    struct Request: Codable {
        /// A gateway's port; nil: the sockets that come along lead outside and are to be relayed.
        var port: UInt16?
    }

    struct Answer: Codable {
        var port: UInt16?
        var hostPort: UInt16?
        var error: String?
    }

    private let socket: Int32
    private let listeners = Mutex<[UInt16: Listener]>([:])

    package init(socket: Int32) {
        self.socket = socket
    }

    package var open: [Listener] {
        listeners.withLock { $0.values.sorted { $0.port < $1.port } }
    }

    /// Hands over the sockets at which connections for the outside arrive.
    package func relayEgress() throws {
        let sockets = try Egress.sockets()
        defer { for socket in sockets { close(socket) } }
        let request = try JSONText.encode(Request(port: nil))
        let sent = request.withUnsafeBytes {
            martlet_send_descriptors(socket, $0.baseAddress, $0.count, sockets, Int32(sockets.count))
        }
        guard sent == 0 else { throw Files.failure("asking the host to relay") }
    }

    /// The socket for a gateway's port: the same one each time.
    package func listener(for port: UInt16) throws -> Listener {
        try listeners.withLock { listeners in
            if let known = listeners[port] { return known }
            let request = try JSONText.encode(Request(port: port))
            let sent = request.withUnsafeBytes { martlet_send_descriptors(socket, $0.baseAddress, $0.count, nil, 0) }
            guard sent == 0 else { throw Files.failure("asking the host for port \(port)") }
            var buffer = [UInt8](repeating: 0, count: 4096)
            var descriptor: Int32 = -1
            var count: Int32 = 0
            let received = martlet_receive_descriptors(socket, &buffer, buffer.count, &descriptor, 1, &count)
            guard received > 0 else { throw Files.failure("asking the host for port \(port)") }
            let answer = try JSONText.decode(Answer.self, from: Data(buffer[..<received]))
            guard count == 1, let hostPort = answer.hostPort else {
                throw LocalMeshError.system(
                    doing: "opening port \(port) on the host", error: answer.error ?? "no socket came")
            }
            let listener = Listener(port: port, hostPort: hostPort, descriptor: descriptor)
            listeners[port] = listener
            return listener
        }
    }
}

/// The host's side: opens the sockets.
package struct HostPorts: Sendable {
    package var mapping: PortMapping
    package var address: IPv4Address

    package init(mapping: PortMapping, address: IPv4Address = IPv4Address(value: 127 << 24 | 1)) {
        self.mapping = mapping
        self.address = address
    }

    /// Answers until the line is closed. Blocks.
    func serve(_ socket: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var arrived: [Int32] = [-1, -1]
            var count: Int32 = 0
            let received = martlet_receive_descriptors(socket, &buffer, buffer.count, &arrived, 2, &count)
            guard received > 0,
                let request = try? JSONText.decode(HostDoor.Request.self, from: Data(buffer[..<received]))
            else {
                return
            }
            guard let port = request.port else {
                Egress.relay(
                    Array(arrived[..<Int(count)]),
                    resolvers: NameRelay.resolvers(in: Files.read("/etc/resolv.conf") ?? ""))
                continue
            }
            var answer = HostDoor.Answer(port: port)
            var descriptors: [Int32] = []
            do {
                let opened = try open(port)
                answer.hostPort = opened.port
                descriptors = [opened.descriptor]
            } catch {
                answer.error = "\(error)"
            }
            guard let text = try? JSONText.encode(answer) else { return }
            let sent = text.withUnsafeBytes {
                martlet_send_descriptors(socket, $0.baseAddress, $0.count, descriptors, Int32(descriptors.count))
            }
            for descriptor in descriptors { close(descriptor) }
            guard sent == 0 else { return }
        }
    }

    /// A listening socket, at the wanted port or the next free one.
    package func open(_ port: UInt16) throws(LocalMeshError) -> (port: UInt16, descriptor: Int32) {
        let wanted = mapping.wanted(for: port)
        let last = wanted.exact ? wanted.port : UInt16(min(65535, Int(wanted.port) + 200))
        for candidate in wanted.port...last {
            do {
                let socket = try InternetSocket.bound(SOCK_STREAM, address, candidate)
                // Those who accept from it, an old gateway and a new one, must not wait for each other.
                _ = fcntl(socket, F_SETFL, O_NONBLOCK)
                return (candidate, socket)
            } catch {
                let isTaken = error == Files.failure("listening on \(address):\(candidate)", EADDRINUSE)
                guard isTaken, !wanted.exact else { throw error }
            }
        }
        throw .system(doing: "listening on \(address)", error: "no port from \(wanted.port) to \(last) is free")
    }
}
