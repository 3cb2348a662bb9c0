import CLinux
import Glibc

/// IPv4 sockets by address and port.
enum InternetSocket {
    static func bound(_ type: __socket_type, _ address: IPv4Address, _ port: UInt16) throws(LocalMeshError) -> Int32 {
        let socket = Glibc.socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Files.failure("opening a socket") }
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard with(address, port, { bind(socket, $0, $1) }) == 0, type != SOCK_STREAM || listen(socket, 4096) == 0
        else {
            let error = errno
            close(socket)
            throw Files.failure("listening on \(address):\(port)", error)
        }
        return socket
    }

    /// - Parameter timeoutSeconds: 0 is none.
    static func connected(_ type: __socket_type, _ address: IPv4Address, _ port: UInt16, timeoutSeconds: Int) -> Int32?
    {
        let socket = Glibc.socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard with(address, port, { connect(socket, $0, $1) }) == 0 else {
            close(socket)
            return nil
        }
        limit.tv_sec = 0
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    /// Where a redirected connection was going.
    static func originalDestination(of socket: Int32) -> (IPv4Address, UInt16)? {
        // From linux/netfilter_ipv4.h, which Swift does not import.
        let originalDestination: Int32 = 80
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        guard getsockopt(socket, Int32(IPPROTO_IP), originalDestination, &address, &length) == 0 else { return nil }
        return (IPv4Address(value: UInt32(bigEndian: address.sin_addr.s_addr)), UInt16(bigEndian: address.sin_port))
    }

    static func receive(_ socket: Int32, _ buffer: inout [UInt8], from address: inout sockaddr_in) -> Int {
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // SAFETY: the kernel writes at most `length` bytes, which is the size of the address.
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket, &buffer, buffer.count, 0, $0, &length)
            }
        }
    }

    static func send(_ socket: Int32, _ bytes: ArraySlice<UInt8>, to address: sockaddr_in) {
        var address = address
        // SAFETY: the address is a whole sockaddr_in, read during the call only.
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bytes.withUnsafeBytes {
                    sendto(socket, $0.baseAddress, $0.count, 0, address, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    private static func with(
        _ address: IPv4Address,
        _ port: UInt16,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = address.networkOrder
        // SAFETY: the address is a whole sockaddr_in, read during the call only.
        return withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
