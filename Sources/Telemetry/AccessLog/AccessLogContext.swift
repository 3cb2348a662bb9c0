package import HeaderBlock

/// The bytes that a log line may show beside the facts of a `RequestRecord`. Everything is borrowed for the time of one
/// call; an empty span is a missing value.
package struct AccessLogContext: ~Escapable {
    /// nil for TCP.
    package let request: HeadView?
    package let response: HeadView?
    package let trailers: HeadView?
    package let names: LogNames
    package let tls: LogTLSNames

    @_lifetime(copy request, copy response, copy trailers, copy names, copy tls)
    package init(
        request: HeadView?,
        response: HeadView?,
        trailers: HeadView?,
        names: LogNames,
        tls: LogTLSNames
    ) {
        self.request = request
        self.response = response
        self.trailers = trailers
        self.names = names
        self.tls = tls
    }
}

/// Names that belong to a request's decision, as bytes; empty is missing.
package struct LogNames: ~Escapable {
    package let cluster: Span<UInt8>
    /// `alt_stat_name` of the cluster, its name when there is none.
    package let clusterStatName: Span<UInt8>
    package let route: Span<UInt8>
    package let virtualHost: Span<UInt8>
    package let filterChain: Span<UInt8>
    /// Path of the endpoint's Unix socket.
    package let upstreamPath: Span<UInt8>
    /// Replaces the record's `codeDetails`, for TCP its `terminationDetails`, when not empty: details that name something,
    /// such as a policy.
    package let codeDetails: Span<UInt8>
    /// Why the connection to the endpoint failed (a TLS error).
    package let upstreamTransportFailure: Span<UInt8>
    /// The resource that decided: `VirtualService default/reviews (reviews.yaml:12:5)`.
    package let origin: Span<UInt8>
    /// The values of `AccessLogFormat.metadata`.
    package let metadata: Span<[UInt8]>

    @_lifetime(
        copy cluster, copy clusterStatName, copy route, copy virtualHost, copy filterChain, copy upstreamPath,
        copy codeDetails, copy upstreamTransportFailure, copy origin, copy metadata)
    package init(
        cluster: Span<UInt8> = Span(),
        clusterStatName: Span<UInt8> = Span(),
        route: Span<UInt8> = Span(),
        virtualHost: Span<UInt8> = Span(),
        filterChain: Span<UInt8> = Span(),
        upstreamPath: Span<UInt8> = Span(),
        codeDetails: Span<UInt8> = Span(),
        upstreamTransportFailure: Span<UInt8> = Span(),
        origin: Span<UInt8> = Span(),
        metadata: Span<[UInt8]> = Span()
    ) {
        self.metadata = metadata
        self.cluster = cluster
        self.clusterStatName = clusterStatName
        self.route = route
        self.virtualHost = virtualHost
        self.filterChain = filterChain
        self.upstreamPath = upstreamPath
        self.codeDetails = codeDetails
        self.upstreamTransportFailure = upstreamTransportFailure
        self.origin = origin
    }
}

/// What TLS said about a connection on either side, as bytes; empty is missing.
package struct LogTLSNames: ~Escapable {
    /// The server name that the client asked for.
    package let requestedServerName: Span<UInt8>
    /// First URI name of the client's certificate.
    package let downstreamPeerURI: Span<UInt8>
    package let downstreamPeerSubject: Span<UInt8>
    package let downstreamCipher: Span<UInt8>
    package let upstreamPeerURI: Span<UInt8>
    package let upstreamCipher: Span<UInt8>

    @_lifetime(
        copy requestedServerName, copy downstreamPeerURI, copy downstreamPeerSubject, copy downstreamCipher,
        copy upstreamPeerURI, copy upstreamCipher)
    package init(
        requestedServerName: Span<UInt8> = Span(),
        downstreamPeerURI: Span<UInt8> = Span(),
        downstreamPeerSubject: Span<UInt8> = Span(),
        downstreamCipher: Span<UInt8> = Span(),
        upstreamPeerURI: Span<UInt8> = Span(),
        upstreamCipher: Span<UInt8> = Span()
    ) {
        self.requestedServerName = requestedServerName
        self.downstreamPeerURI = downstreamPeerURI
        self.downstreamPeerSubject = downstreamPeerSubject
        self.downstreamCipher = downstreamCipher
        self.upstreamPeerURI = upstreamPeerURI
        self.upstreamCipher = upstreamCipher
    }
}
