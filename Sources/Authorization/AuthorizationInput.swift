package import HeaderBlock

/// What is known of a request, or of a TCP connection, when it is authorized. Borrowed for the time of one call.
package struct AuthorizationInput: ~Escapable {
    /// nil for TCP: conditions on headers and paths then do not hold.
    package let head: HeadView?
    /// The name that the peer's certificate proves: its first URI name, else its first DNS name, else its subject. Empty
    /// is none.
    package let principal: Span<UInt8>
    /// The peer presented a certificate that was verified.
    package let isAuthenticated: Bool
    /// The server name of the ClientHello; empty is none.
    package let serverName: Span<UInt8>
    /// The peer of the connection.
    package let source: AddressBits
    /// The client, from x-forwarded-for where that is trusted; the peer of the connection otherwise.
    package let remote: AddressBits
    /// Where the client wanted to go (the original destination of captured traffic).
    package let destination: AddressBits
    package let destinationPort: UInt16
    /// What filters in front found out.
    package let metadata: RequestMetadata

    @_lifetime(copy head, copy principal, copy serverName)
    package init(
        head: HeadView?,
        principal: Span<UInt8>,
        isAuthenticated: Bool,
        serverName: Span<UInt8>,
        source: AddressBits,
        remote: AddressBits,
        destination: AddressBits,
        destinationPort: UInt16,
        metadata: RequestMetadata = RequestMetadata()
    ) {
        self.head = head
        self.principal = principal
        self.isAuthenticated = isAuthenticated
        self.serverName = serverName
        self.source = source
        self.remote = remote
        self.destination = destination
        self.destinationPort = destinationPort
        self.metadata = metadata
    }
}
