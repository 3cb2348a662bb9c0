import Glibc

/// Why a socket of the agent could not be opened; the text is for operators.
package struct SocketError: Error, CustomStringConvertible {
    var what: String
    var code: Int32

    package var description: String {
        var text = "\(what): \(String(cString: strerror(code)))"
        if code == EADDRINUSE { text += " (another process listens there: is a proxy running already?)" }
        if code == EACCES { text += " (ports below 1024 need privileges)" }
        return text
    }
}

/// Non-blocking, close-on-exec sockets.
enum Sockets {
    /// - Parameter sharesPort: a second process may listen on the same port: the one that replaces this one.
    static func listen(_ endpoint: Endpoint, sharesPort: Bool = false) throws(SocketError) -> Int32 {
        let descriptor = socket(endpoint.family, kind(SOCK_STREAM), 0)
        guard descriptor >= 0 else { throw SocketError(what: "socket for \(endpoint)", code: errno) }
        set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if sharesPort { set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        guard endpoint.withSocketAddress({ bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 64) == 0 else {
            let code = errno
            close(descriptor)
            throw SocketError(what: "cannot listen on \(endpoint)", code: code)
        }
        return descriptor
    }

    /// - Parameter mark: SO_MARK, so that redirect rules leave the socket's own traffic alone; 0 is none.
    static func datagram(_ family: Int32, bound endpoint: Endpoint? = nil, mark: UInt32 = 0) throws(SocketError)
        -> Int32
    {
        let descriptor = socket(family, kind(SOCK_DGRAM), 0)
        guard descriptor >= 0 else { throw SocketError(what: "UDP socket", code: errno) }
        if mark != 0 { set(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark)) }
        if let endpoint {
            set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            guard endpoint.withSocketAddress({ bind(descriptor, $0, $1) }) == 0 else {
                let code = errno
                close(descriptor)
                throw SocketError(what: "cannot listen on UDP \(endpoint)", code: code)
            }
        }
        return descriptor
    }

    private static func kind(_ type: __socket_type) -> Int32 {
        Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    }

    /// The port that a socket is bound to.
    static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            // SAFETY: the port is at the same place in sockaddr_in and sockaddr_in6; the larger one has room for both.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return failed == 0 ? UInt16(bigEndian: address.sin6_port) : 0
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
