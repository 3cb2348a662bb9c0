import EventLoop
import Proxy
import Routing
import Telemetry
import Testing

/// What listeners do before a connection has its chain.
@Suite("Listeners")
struct ListenerTests {
    private static let address = SocketAddress.ip(IPAddress(v4: 0x0a00_0001), port: 80)
    private static let get = Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)

    /// A chain that answers with a status of its own, or, for `forwards`, asks the one endpoint.
    private static func chain(_ name: String, status: Int, match: FilterChainMatch = FilterChainMatch())
        -> FilterChainDescriptor
    {
        let manager = HTTPConnectionManager(statPrefix: name, routeTable: status, usesRemoteAddress: true)
        return FilterChainDescriptor(name: name, match: match, terminal: .http(manager))
    }

    private static func proxy(_ listener: ListenerDescriptor) throws -> SimulatedProxy {
        var tables: [RouteTable] = []
        for status in 0..<4 {
            var spec = RouteConfigurationSpec()
            let action: RouteActionSpec =
                status == 0
                ? .forward(ForwardSpec(target: .cluster(ClusterID(index: 0))))
                : .respond(DirectResponseSpec(status: UInt16(200 + status)))
            spec.virtualHosts = [
                VirtualHostSpec(
                    name: "all", domains: ["*"],
                    routes: [RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: action)])
            ]
            tables.append(try RouteTable(spec))
        }
        let cluster = ClusterDescriptor(
            name: "up",
            endpoints: [EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0100), port: 8080))])
        let proxy = try SimulatedProxy(seed: 1)
        proxy.apply(
            RuntimeSnapshot(
                generation: 1, listeners: [listener], clusters: [cluster], routeTables: tables,
                provenance: ProvenanceTable(), local: WorkloadLabels(), telemetry: TelemetryDescriptor()))
        return proxy
    }

    private static func turn(_ proxy: SimulatedProxy) { for _ in 0..<20 { proxy.turn() } }

    // MARK: PROXY protocol

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

    private static let addresses: [UInt8] = [203, 0, 113, 7, 10, 0, 0, 1, 19, 136, 0, 80]
    private static func binary(_ rest: [UInt8]) -> [UInt8] { signature + rest }
    private static func text(_ line: String) -> [UInt8] { Array(line.utf8) }

    private static let headers: [([UInt8], String)] = [
        (text("PROXY TCP4 203.0.113.7 10.0.0.1 5000 80\r\n"), "203.0.113.7"),
        (text("PROXY TCP6 2001:db8::7 2001:db8::1 5000 80\r\n"), "2001:db8::7"),
        (text("PROXY UNKNOWN\r\n"), "127.0.0.1"),
        (binary([0x21, 0x11, 0, 12]) + addresses, "203.0.113.7"),
        (binary([0x21, 0x11, 0, 15]) + addresses + [4, 0, 0], "203.0.113.7"),
        (binary([0x20, 0, 0, 0]), "127.0.0.1"),
    ]

    @Test("a PROXY protocol header names the client", arguments: headers)
    func proxyProtocol(header: [UInt8], client: String) throws {
        for piece in [1, 7, 1_000] {
            let proxy = try Self.proxy(
                ListenerDescriptor(
                    name: "l", address: Self.address, proxyProtocol: .required,
                    filterChains: [Self.chain("chain", status: 0)]))
            let socket = try #require(proxy.world { $0.dial(Self.address) })
            var rest = (header + Self.get)[...]
            while !rest.isEmpty {
                let part = Array(rest.prefix(piece))
                rest = rest.dropFirst(piece)
                proxy.world { $0.deliver(part, to: socket) }
                Self.turn(proxy)
            }
            let upstream = try #require(proxy.world { $0.takeOpened() }.first)
            proxy.world { $0.complete(upstream) }
            Self.turn(proxy)
            let sent = String(decoding: proxy.world { $0.takeSent(upstream) }, as: UTF8.self)
            #expect(sent.contains("x-forwarded-for: \(client)\r\n"), "in pieces of \(piece): \(sent)")
        }
    }

    @Test("the peer itself, not whom it speaks for, chooses among direct source prefixes")
    func directSource() throws {
        var peer = FilterChainMatch()
        peer.directSourcePrefixes = [AddressPrefix(address: IPAddress(v4: 0x7f00_0001), length: 32)]
        var client = FilterChainMatch()
        client.directSourcePrefixes = [AddressPrefix(address: IPAddress(v4: 0xcb00_7107), length: 32)]
        let proxy = try Self.proxy(
            ListenerDescriptor(
                name: "l", address: Self.address, proxyProtocol: .required,
                filterChains: [
                    Self.chain("client", status: 1, match: client), Self.chain("peer", status: 2, match: peer),
                ]))
        let socket = try #require(proxy.world { $0.dial(Self.address) })
        proxy.world { $0.deliver(Self.text("PROXY TCP4 203.0.113.7 10.0.0.1 5000 80\r\n") + Self.get, to: socket) }
        Self.turn(proxy)
        #expect(proxy.world { $0.takeSent(socket) }.starts(with: Array("HTTP/1.1 202".utf8)))
    }

    private static let connections: [(ListenerDescriptor.ProxyProtocol, [UInt8], Bool)] = [
        (.required, get, false), (.optional, get, true),
        (.required, text("PROXY TCP4 ten 10.0.0.1 1 2\r\n"), false),
        (.optional, text("PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n"), false),
        (.required, binary([0x22, 0x11, 0, 0]), false),
        (.required, Array(repeating: 0x50, count: 200), false),
    ]

    @Test("a connection without the header is closed, unless it may lack it", arguments: connections.indices)
    func withoutHeader(index: Int) throws {
        let (kind, bytes, isServed) = Self.connections[index]
        let proxy = try Self.proxy(
            ListenerDescriptor(
                name: "l", address: Self.address, proxyProtocol: kind,
                filterChains: [Self.chain("chain", status: 1)]))
        let socket = try #require(proxy.world { $0.dial(Self.address) })
        proxy.world { $0.deliver(bytes, to: socket) }
        Self.turn(proxy)
        #expect(proxy.world { $0.isClosed(socket) } == !isServed)
        #expect(proxy.world { $0.takeSent(socket) }.starts(with: Array("HTTP/1.1 201".utf8)) == isServed)
    }

    // MARK: Silent clients

    @Test("a silent client gets the chain for unknown bytes only where the listener goes on", arguments: [true, false])
    func silentClients(goesOn: Bool) throws {
        let proxy = try Self.proxy(
            ListenerDescriptor(
                name: "l", address: Self.address, inspectsTLS: true, inspectionTimeoutMilliseconds: 100,
                continuesOnInspectionTimeout: goesOn, filterChains: [Self.chain("chain", status: 1)]))
        let socket = try #require(proxy.world { $0.dial(Self.address) })
        Self.turn(proxy)
        proxy.world { $0.advance(milliseconds: 90) }
        Self.turn(proxy)
        #expect(!proxy.world { $0.isClosed(socket) })
        proxy.world { $0.advance(milliseconds: 30) }
        Self.turn(proxy)
        #expect(proxy.world { $0.isClosed(socket) } == !goesOn)
    }

    // MARK: Choice of a chain

    @Test("the source decides among chains that agree in all else")
    func sources() throws {
        var local = FilterChainMatch()
        local.sourceType = .local
        var external = FilterChainMatch()
        external.sourceType = .external
        var port = FilterChainMatch()
        port.sourceType = .external
        port.sourcePorts = [5_000]
        let proxy = try Self.proxy(
            ListenerDescriptor(
                name: "l", address: Self.address, proxyProtocol: .required,
                filterChains: [
                    Self.chain("local", status: 1, match: local), Self.chain("external", status: 2, match: external),
                    Self.chain("port", status: 3, match: port),
                ]))
        for (source, status) in [
            ("127.0.0.9 10.0.0.1 1", 201), ("10.0.0.1 10.0.0.1 1", 201), ("1.2.3.4 10.0.0.1 1", 202),
            ("1.2.3.4 10.0.0.1 5000", 203),
        ] {
            let socket = try #require(proxy.world { $0.dial(Self.address) })
            proxy.world { $0.deliver(Array("PROXY TCP4 \(source) 80\r\n".utf8) + Self.get, to: socket) }
            Self.turn(proxy)
            let answer = String(decoding: proxy.world { $0.takeSent(socket) }, as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "from \(source): \(answer)")
        }
    }
}
