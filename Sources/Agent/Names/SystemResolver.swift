import EventLoop
import Glibc

/// Host names to addresses through the system's resolver, which blocks: each question is asked on a thread of its own.
enum SystemResolver {
    /// - Returns: textual addresses, IPv4 before IPv6, sorted; empty when the name does not resolve.
    static func resolve(_ name: String) async -> [String] {
        await DetachedThread.value(name: "resolver", orElse: []) { blocking(name) }
    }

    private static func blocking(_ name: String) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: Set<String> = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let failed = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            if failed == 0 {
                let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                found.insert(String(decoding: bytes, as: UTF8.self))
            }
            next = entry.pointee.ai_next
        }
        return found.sorted { ($0.contains(":") ? 1 : 0, $0) < ($1.contains(":") ? 1 : 0, $1) }
    }
}
