import CLinux
import Glibc

/// Passes DNS queries of the mesh to the host's resolvers. One thread; a query that is not answered is forgotten when its number
/// comes round again.
struct NameRelay {
    /// A UDP socket inside the mesh.
    var queries: Int32
    var resolvers: [String]

    private struct Asker {
        var address: sockaddr_in
        var number: (UInt8, UInt8)
    }

    func run() {
        // The first resolver that is an IPv4 address; the C library's own order.
        guard let resolver = resolvers.lazy.compactMap({ IPv4Address($0) }).first,
            let outside = InternetSocket.connected(SOCK_DGRAM, resolver, 53, timeoutSeconds: 0)
        else { return }
        defer { close(outside) }
        var askers: [UInt16: Asker] = [:]
        var next = UInt16.random(in: 0...UInt16.max)
        var buffer = [UInt8](repeating: 0, count: 65535)
        while true {
            var ready = [
                pollfd(fd: queries, events: Int16(POLLIN), revents: 0),
                pollfd(fd: outside, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ready, 2, -1) >= 0 || errno == EINTR else { return }
            if ready[0].revents & Int16(POLLERR | POLLNVAL) != 0 { return }
            if ready[0].revents & Int16(POLLIN) != 0 {
                var address = sockaddr_in()
                let count = InternetSocket.receive(queries, &buffer, from: &address)
                if count >= 12 {
                    next &+= 1
                    askers[next] = Asker(address: address, number: (buffer[0], buffer[1]))
                    (buffer[0], buffer[1]) = (UInt8(next >> 8), UInt8(next & 255))
                    _ = send(outside, &buffer, count, 0)
                }
            }
            if ready[1].revents & Int16(POLLIN | POLLERR) != 0 {
                let count = recv(outside, &buffer, buffer.count, 0)
                if count >= 12, let asker = askers.removeValue(forKey: UInt16(buffer[0]) << 8 | UInt16(buffer[1])) {
                    (buffer[0], buffer[1]) = asker.number
                    InternetSocket.send(queries, buffer[..<count], to: asker.address)
                }
            }
        }
    }

    /// The `nameserver` lines of resolv.conf.
    static func resolvers(in text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            return words.count >= 2 && words[0] == "nameserver" ? String(words[1]) : nil
        }
    }
}
