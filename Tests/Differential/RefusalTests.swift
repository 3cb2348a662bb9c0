import Foundation
import SwiftProtobuf
import Synchronization
import Testing
import XDS
import XDSTransport

/// A resource with a field that the proxy does not support, sent over a real ADS session to the real program: it is refused
/// by the field's path, and what was good before goes on serving.
@Suite("Refusals over ADS", .timeLimit(.minutes(2)))
struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var api: String
        /// Of what type the bad resource is.
        var type: String
        /// The wire form of the field, and its path.
        var field: [UInt8]
        var path: String

        var testDescription: String { "\(api), \(path)" }
    }

    static let cases = [
        // Listener.connection_balance_config.
        Case(api: "DELTA_GRPC", type: TypeURL.listener, field: [0xa2, 1, 0], path: "connection_balance_config"),
        Case(api: "GRPC", type: TypeURL.listener, field: [0xa2, 1, 0], path: "connection_balance_config"),
        // Cluster.use_tcp_for_dns_lookups.
        Case(api: "DELTA_GRPC", type: TypeURL.cluster, field: [0xe8, 2, 1], path: "use_tcp_for_dns_lookups"),
        Case(api: "GRPC", type: TypeURL.cluster, field: [0xe8, 2, 1], path: "use_tcp_for_dns_lookups"),
    ]

    @Test(arguments: cases)
    func `a refused resource is named by its field, and the last good one serves`(item: Case) async throws {
        let source = Source()
        let server = DiscoveryServer(
            address: .tcp(host: "127.0.0.1", port: 0), discovery: source, certificates: nil)
        let running = Task { try await server.run() }
        defer {
            server.stop()
            running.cancel()
        }
        let door = try #require(try await server.port())
        let world = try World(door: door, api: item.api)
        defer { world.stop() }
        source.send(try world.resources(1, answer: 200))
        try await world.start()
        #expect(try await world.status() == 200)

        source.send(try world.resources(2, answer: 418, bad: item))
        let rejection = try await source.rejection()
        #expect(rejection.type == item.type)
        #expect(rejection.message.contains(item.path), "\(rejection.message)")
        for _ in 0..<20 { #expect(try await world.status() == 200) }

        source.send(try world.resources(3, answer: 418))
        let end = ContinuousClock.now + .seconds(10)
        while try await world.status() != 418, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try await world.status() == 418)
        source.finish()
    }
}

/// Sends the sets that the test gives to whoever connects.
private final class Source: DiscoverySource {
    private struct State {
        var latest: ResourceSet?
        var sinks: [AsyncStream<ResourceSet>.Continuation] = []
        var rejections: [DiscoverySession.Rejection] = []
    }

    private let state = Mutex(State())

    func send(_ set: ResourceSet) {
        state.withLock {
            $0.latest = set
            for sink in $0.sinks { sink.yield(set) }
        }
    }

    func finish() { state.withLock { for sink in $0.sinks { sink.finish() } } }

    func connect(node: Envoy_Config_Core_V3_Node, credentials: PeerCredentials) async throws -> DiscoveryFeed {
        let (stream, sink) = AsyncStream<ResourceSet>.makeStream()
        state.withLock {
            if let latest = $0.latest { sink.yield(latest) }
            $0.sinks.append(sink)
        }
        return DiscoveryFeed(connection: 1, sets: stream)
    }

    func report(connection: Int, acknowledgedGeneration: Int, rejections: [DiscoverySession.Rejection]) async {
        state.withLock { if !rejections.isEmpty { $0.rejections = rejections } }
    }

    func disconnect(connection: Int) async {}

    /// The first refusal; throws when none comes within ten seconds.
    func rejection() async throws -> DiscoverySession.Rejection {
        let end = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < end {
            if let first = state.withLock({ $0.rejections.first }) { return first }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw CaseError("nothing was refused")
    }
}

/// A proxy that gets everything over ADS, and what it is sent.
private final class World: Sendable {
    private let bootstrap: String
    private let port: UInt16
    private let side = Mutex<SideBox?>(nil)

    /// A side is used by one thread at a time.
    private struct SideBox: @unchecked Sendable {  // SAFETY: only ever stopped, after its start has returned.
        let side: Side
    }

    init(door: Int, api: String) throws {
        port = try ListeningSocket.freePort()
        bootstrap = """
            node: {id: refusals, cluster: tests}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: {{admin}}}}}
            dynamic_resources:
              ads_config:
                api_type: \(api)
                transport_api_version: V3
                grpc_services: [{envoy_grpc: {cluster_name: xds}}]
              cds_config: {ads: {}, resource_api_version: V3}
              lds_config: {ads: {}, resource_api_version: V3}
            static_resources:
              clusters:
              - name: xds
                type: STATIC
                connect_timeout: 1s
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http2_protocol_options: {}}
                load_assignment:
                  cluster_name: xds
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(door)}}}
            """
    }

    func start() async throws {
        let text = bootstrap
        let made: SideBox = try await blocking {
            SideBox(side: try Side(.martlet, bootstrap: text, certificates: Certificates.shared.get()))
        }
        side.withLock { $0 = made }
    }

    func stop() { side.withLock { $0?.side.stop() } }

    /// The status of a request's answer; nil when there was none.
    func status() async throws -> Int? {
        let port = port
        return try await blocking {
            guard let wire = try? Wire(port: port) else { return nil }
            defer { wire.close() }
            try? wire.send(Array("GET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
            var reader = MessageReader(wire)
            return try? reader.head(within: 2000).status
        }
    }

    /// A listener that answers itself and a cluster; one of them with a field that is not supported.
    func resources(_ generation: Int, answer: Int, bad: RefusalTests.Case? = nil) throws -> ResourceSet {
        MessageTypes.register()
        var set = ResourceSet(generation: generation)
        let listener = try Envoy_Config_Listener_V3_Listener(
            jsonString: """
                {"name":"l","address":{"socketAddress":{"address":"127.0.0.1","portValue":\(port)}},"filterChains":[{
                "filters":[{"name":"hcm","typedConfig":{"@type":"type.googleapis.com/envoy.extensions.filters.network.\
                http_connection_manager.v3.HttpConnectionManager","statPrefix":"h","routeConfig":{"name":"r",
                "virtualHosts":[{"name":"v","domains":["*"],"routes":[{"match":{"prefix":"/"},
                "directResponse":{"status":\(answer)}}]}]},"httpFilters":[{"name":"router","typedConfig":{
                "@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
                """)
        let cluster = try Envoy_Config_Cluster_V3_Cluster(
            jsonString: #"{"name":"c","type":"STATIC","connectTimeout":"\#(generation)s"}"#)
        let isListener = bad?.type == TypeURL.listener
        // With a bad cluster the listener stays as it was.
        if bad == nil || isListener {
            let bytes: [UInt8] = try listener.serializedBytes()
            let extra = isListener ? bad?.field ?? [] : []
            set.insert(try Envoy_Config_Listener_V3_Listener(serializedBytes: bytes + extra), named: "l")
        } else {
            var good = listener
            good.filterChains = try resources(generation, answer: 200).listenerChains
            set.insert(good, named: "l")
        }
        let bytes: [UInt8] = try cluster.serializedBytes()
        let extra = bad != nil && !isListener ? bad?.field ?? [] : []
        set.insert(try Envoy_Config_Cluster_V3_Cluster(serializedBytes: bytes + extra), named: "c")
        return set
    }
}

extension ResourceSet {
    fileprivate var listenerChains: [Envoy_Config_Listener_V3_FilterChain] {
        get throws {
            guard let body = resource(TypeURL.listener, "l")?.body else { return [] }
            return try Envoy_Config_Listener_V3_Listener(unpackingAny: body).filterChains
        }
    }
}

/// Runs what blocks on a thread of its own.
private func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}
