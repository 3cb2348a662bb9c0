/// A number that is set on a socket before it is connected (setsockopt).
package struct SocketOption: Sendable, Hashable {
    package let level: Int32
    package let name: Int32
    package let value: Int32

    package init(level: Int32, name: Int32, value: Int32) {
        self.level = level
        self.name = name
        self.value = value
    }
}
