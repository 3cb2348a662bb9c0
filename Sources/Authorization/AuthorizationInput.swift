package import HeaderBlock

/// What is known of a request, or of a TCP connection, when it is authorized. Borrowed for the time of one call.
package struct AuthorizationInput: ~Escapable {
    /// nil for TCP: conditions on headers and paths then do not hold.
    package let head: HeadView?
    /// The names that the peer's certificate proves: any of them may be who the peer is. Empty is none.
    package let uriNames: Span<[UInt8]>
    package let dnsNames: Span<[UInt8]>
    package let subject: Span<UInt8>
    /// The peer presented a certificate that was verified.
    package let isAuthenticated: Bool
    /// The server name of the ClientHello; empty is none.
    package let serverName: Span<UInt8>
    /// The client's side of the connection: the peer, or what its PROXY protocol header says.
    package let source: AddressBits
    /// The peer of the connection itself.
    package let direct: AddressBits
    /// The client, from x-forwarded-for where that is trusted; the peer of the connection otherwise.
    package let remote: AddressBits
    /// Where the client wanted to go (the original destination of captured traffic).
    package let destination: AddressBits
    package let destinationPort: UInt16
    /// What filters in front found out.
    package let metadata: RequestMetadata

    @_lifetime(copy head, copy uriNames, copy dnsNames, copy subject, copy serverName)
    package init(
        head: HeadView?,
        uriNames: Span<[UInt8]>,
        dnsNames: Span<[UInt8]> = Span(),
        subject: Span<UInt8> = Span(),
        isAuthenticated: Bool,
        serverName: Span<UInt8>,
        source: AddressBits,
        direct: AddressBits? = nil,
        remote: AddressBits,
        destination: AddressBits,
        destinationPort: UInt16,
        metadata: RequestMetadata = RequestMetadata()
    ) {
        self.head = head
        self.uriNames = uriNames
        self.dnsNames = dnsNames
        self.subject = subject
        self.isAuthenticated = isAuthenticated
        self.serverName = serverName
        self.source = source
        self.direct = direct ?? source
        self.remote = remote
        self.destination = destination
        self.destinationPort = destinationPort
        self.metadata = metadata
    }
}
