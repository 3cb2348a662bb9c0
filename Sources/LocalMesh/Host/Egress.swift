import CLinux
import Glibc
import Synchronization

/// The way from pods to the world outside of the mesh. The mesh's network has no route there and, without root, cannot have one:
/// connections that leave it arrive at a socket of the mesh that the host's side accepts from and relays.
package enum Egress {
    /// Where connections and queries for the outside arrive, at the bridge's address.
    static let tcpPort: UInt16 = 15100
    static let dnsPort: UInt16 = 53
    /// Nobody listens here: what no one answers for is refused at once.
    static let refusingPort: UInt16 = 15199

    /// The rules of the mesh's own namespace.
    package static var rules: String {
        """
        table ip martlet {
          chain leaving {
            type nat hook prerouting priority -100; policy accept;
            ip daddr 10.244.0.0/16 return
            ip daddr 10.96.0.0/16 meta l4proto tcp redirect to :\(refusingPort)
            meta l4proto tcp redirect to :\(tcpPort)
          }
        }

        """
    }

    /// The listening sockets, in the caller's network namespace.
    static func sockets() throws(LocalMeshError) -> [Int32] {
        let any = IPv4Address(value: 0)
        return [
            try InternetSocket.bound(SOCK_STREAM, any, tcpPort),
            try InternetSocket.bound(SOCK_DGRAM, AddressPool.bridge, dnsPort),
        ]
    }

    /// Relays from the host's side until the sockets are closed. Returns at once.
    static func relay(_ sockets: [Int32], resolvers: [String]) {
        guard sockets.count == 2 else { return }
        let (listener, queries) = (sockets[0], sockets[1])
        BackgroundThread.start {
            while true {
                let inside = accept(listener, nil, nil)
                if inside < 0 {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    return
                }
                BackgroundThread.start { connect(inside) }
            }
        }
        BackgroundThread.start { NameRelay(queries: queries, resolvers: resolvers).run() }
    }

    private static func connect(_ inside: Int32) {
        guard let (address, port) = InternetSocket.originalDestination(of: inside),
            let outside = InternetSocket.connected(SOCK_STREAM, address, port, timeoutSeconds: 10)
        else {
            // The application sees a reset: what it asked for is not there.
            var reset = linger(l_onoff: 1, l_linger: 0)
            setsockopt(inside, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
            close(inside)
            return
        }
        let pair = RelayedPair(inside, outside)
        BackgroundThread.start { pair.pump(from: outside, to: inside) }
        pair.pump(from: inside, to: outside)
    }
}

/// Two sockets that are closed when both directions have ended.
private final class RelayedPair: Sendable {
    private let sockets: (Int32, Int32)
    private let open = Mutex(2)

    init(_ one: Int32, _ other: Int32) { sockets = (one, other) }

    func pump(from source: Int32, to target: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        copying: while true {
            let count = recv(source, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            var sent = 0
            while sent < count {
                let more = buffer[sent..<count].withUnsafeBytes {
                    send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if more < 0 && errno == EINTR { continue }
                guard more > 0 else {
                    shutdown(source, Int32(SHUT_RD))
                    break copying
                }
                sent += more
            }
        }
        shutdown(target, Int32(SHUT_WR))
        let left = open.withLock { count in
            count -= 1
            return count
        }
        guard left == 0 else { return }
        close(sockets.0)
        close(sockets.1)
    }
}
