package import EventLoop

/// One listener (envoy.config.listener.v3.Listener).
package final class ListenerDescriptor: Sendable {
    /// Whether connections begin with a PROXY protocol header (envoy.filters.listener.proxy_protocol).
    package enum ProxyProtocol: UInt8, Sendable { case none, optional, required }

    package let name: String
    package let address: SocketAddress
    /// False: no socket; connections come from a listener with `usesOriginalDestination`.
    package let bindsToPort: Bool
    /// Connections are handed to the listener with their original destination: the exact address, else the wildcard
    /// address with the same port, else they stay here.
    package let usesOriginalDestination: Bool
    /// The original destination is read from the socket (envoy.filters.listener.original_dst).
    package let readsOriginalDestination: Bool
    /// The first bytes are inspected for a ClientHello (envoy.filters.listener.tls_inspector).
    package let inspectsTLS: Bool
    /// The first bytes are inspected for an HTTP/1 request or HTTP/2 preface (envoy.filters.listener.http_inspector).
    package let inspectsHTTP: Bool
    package let proxyProtocol: ProxyProtocol
    /// How long inspection waits for bytes before it goes on without them; Envoy's listener_filters_timeout, 0 is forever.
    package let inspectionTimeoutMilliseconds: UInt32
    /// A client that is silent for that long gets the chain for unknown bytes; otherwise its connection is closed
    /// (continue_on_listener_filters_timeout).
    package let continuesOnInspectionTimeout: Bool
    package let filterChains: [FilterChainDescriptor]
    package let defaultFilterChain: FilterChainDescriptor?
    package let direction: TrafficDirection
    package let backlog: Int32
    package let origin: ProvenanceIndex

    package init(
        name: String,
        address: SocketAddress,
        bindsToPort: Bool = true,
        usesOriginalDestination: Bool = false,
        readsOriginalDestination: Bool = false,
        inspectsTLS: Bool = false,
        inspectsHTTP: Bool = false,
        proxyProtocol: ProxyProtocol = .none,
        inspectionTimeoutMilliseconds: UInt32 = 15_000,
        continuesOnInspectionTimeout: Bool = true,
        filterChains: [FilterChainDescriptor],
        defaultFilterChain: FilterChainDescriptor? = nil,
        direction: TrafficDirection = .unspecified,
        backlog: Int32 = 4096,
        origin: ProvenanceIndex = .max
    ) {
        self.name = name
        self.address = address
        self.bindsToPort = bindsToPort
        self.usesOriginalDestination = usesOriginalDestination
        self.readsOriginalDestination = readsOriginalDestination
        self.inspectsTLS = inspectsTLS
        self.inspectsHTTP = inspectsHTTP
        self.proxyProtocol = proxyProtocol
        self.inspectionTimeoutMilliseconds = inspectionTimeoutMilliseconds
        self.continuesOnInspectionTimeout = continuesOnInspectionTimeout
        self.filterChains = filterChains
        self.defaultFilterChain = defaultFilterChain
        self.direction = direction
        self.backlog = backlog
        self.origin = origin
    }
}

/// Which side of the workload a listener or cluster serves (envoy.config.core.v3.TrafficDirection).
package enum TrafficDirection: UInt8, Sendable {
    case unspecified, inbound, outbound
}

/// One filter chain (envoy.config.listener.v3.FilterChain).
package final class FilterChainDescriptor: Sendable {
    /// Unique inside its listener; open connections find their chain in the next snapshot by it.
    package let name: String
    /// The name in the configuration, for logs; empty when it has none.
    package let configuredName: String
    package let match: FilterChainMatch
    /// Terminates TLS when set.
    package let tls: DownstreamTLSDescriptor?
    /// Network filters in front of the terminal one, in order.
    package let networkFilters: [NetworkFilter]
    package let terminal: TerminalFilter
    /// The TLS handshake must finish in this time; 0 is no limit.
    package let transportConnectTimeoutMilliseconds: UInt32
    package let origin: ProvenanceIndex

    package init(
        name: String,
        configuredName: String = "",
        match: FilterChainMatch = FilterChainMatch(),
        tls: DownstreamTLSDescriptor? = nil,
        networkFilters: [NetworkFilter] = [],
        terminal: TerminalFilter,
        transportConnectTimeoutMilliseconds: UInt32 = 15_000,
        origin: ProvenanceIndex = .max
    ) {
        self.name = name
        self.configuredName = configuredName
        self.match = match
        self.tls = tls
        self.networkFilters = networkFilters
        self.terminal = terminal
        self.transportConnectTimeoutMilliseconds = transportConnectTimeoutMilliseconds
        self.origin = origin
    }
}

/// What ends a filter chain.
package enum TerminalFilter: Sendable {
    case http(HTTPConnectionManager)
    case tcp(TCPProxyDescriptor)
}

/// Criteria of a filter chain (envoy.config.listener.v3.FilterChainMatch); an empty field accepts all.
package struct FilterChainMatch: Sendable, Hashable {
    package enum Transport: UInt8, Sendable { case any, raw, tls }
    package enum SourceType: UInt8, Sendable { case any, local, external }

    /// The original destination port.
    package var destinationPort: UInt16?
    package var destinationPrefixes: [AddressPrefix] = []
    package var sourcePrefixes: [AddressPrefix] = []
    package var directSourcePrefixes: [AddressPrefix] = []
    package var sourceType = SourceType.any
    package var sourcePorts: [UInt16] = []
    /// Lower case; `*.example.com` is a suffix.
    package var serverNames: [String] = []
    package var transport: Transport = .any
    /// ALPN values of the ClientHello, or `http/1.0`, `http/1.1`, `h2c` found by the HTTP inspector.
    package var applicationProtocols: [String] = []

    package init(
        destinationPort: UInt16? = nil,
        destinationPrefixes: [AddressPrefix] = [],
        sourcePrefixes: [AddressPrefix] = [],
        serverNames: [String] = [],
        transport: Transport = .any,
        applicationProtocols: [String] = []
    ) {
        self.destinationPort = destinationPort
        self.destinationPrefixes = destinationPrefixes
        self.sourcePrefixes = sourcePrefixes
        self.serverNames = serverNames
        self.transport = transport
        self.applicationProtocols = applicationProtocols
    }
}

/// A CIDR range.
package struct AddressPrefix: Sendable, Hashable {
    package let address: IPAddress
    package let length: Int

    package init(address: IPAddress, length: Int) {
        self.address = address
        self.length = length
    }

    package func contains(_ other: IPAddress) -> Bool { other.isInside(prefix: address, length: length) }
}
