/// What a peer may cost us before its message is refused. One value for all of HTTP/1.
package struct Limits: Sendable {
    /// Start line and fields together, with line ends.
    package var headBytes = 60 * 1024
    package var methodBytes = 32
    /// Chunk size line with its extensions.
    package var chunkLineBytes = 256
    package var trailerBytes = 8 * 1024

    package init() {}
}
