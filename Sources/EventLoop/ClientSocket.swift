internal import CLinux
internal import Glibc

/// Sockets that are made outside a worker, to ask somebody something.
package enum ClientSocket {
    /// Begins to connect a non-blocking socket; a negative errno when that fails at once.
    package static func open(_ address: SocketAddress, mark: Int32) -> Int32 {
        if case .path(let path) = address { return martlet_connect_path(path) }
        guard var form = address.kernelForm else { return -EINVAL }
        return martlet_connect(&form, mark, nil, 0)
    }

    /// How connecting went: 0, or an errno.
    package static func error(_ socket: Int32) -> Int32 { martlet_socket_error(socket) }
}
