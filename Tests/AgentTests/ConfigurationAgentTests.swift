import Agent
import Proxy
import SwiftProtobuf
import Synchronization
import Testing
import XDS

/// Takes its time for each snapshot, and remembers them.
private final class SlowDataPlane: DataPlane {
    private let state = Mutex<(running: Int, together: Int, generations: [UInt64])>((0, 0, []))

    func apply(_ snapshot: RuntimeSnapshot) async throws {
        state.withLock {
            $0.running += 1
            $0.together = max($0.together, $0.running)
        }
        // Older snapshots take longest: they would land last.
        for _ in 0..<(200 / Int(max(1, snapshot.generation))) { await Task.yield() }
        state.withLock {
            $0.running -= 1
            $0.generations.append(snapshot.generation)
        }
    }

    var together: Int { state.withLock { $0.together } }
    var generations: [UInt64] { state.withLock { $0.generations } }
}

@Suite struct ConfigurationAgentTests {
    @Test func snapshotsTakeEffectOneAfterTheOtherTheNewestLast() async throws {
        let plane = SlowDataPlane()
        let agent = ConfigurationAgent(
            fixed: XDSResources(), state: nil, localSecretNames: ["default"], compiler: RuntimeCompiler(),
            dataPlane: plane, onNameTable: { _ in })
        #expect(await agent.start().isEmpty)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask {
                    var secret = WorkloadIdentity.Secret()
                    secret.name = "default"
                    secret.tlsCertificate.certificateChain.inlineString = "\(number)"
                    await agent.update(secrets: [secret])
                    // Whoever changed something goes on when it, or something newer, is in force.
                    #expect(await agent.workloadSecrets == agent.serving.secrets.values.sorted { $0.name < $1.name })
                }
            }
        }
        #expect(plane.together == 1)
        #expect(plane.generations == plane.generations.sorted())
        #expect(plane.generations.count < 52)
    }

    /// A listener that answers 200 itself, at some port of an address.
    private static func listener(_ name: String, at address: String) throws -> Google_Protobuf_Any {
        MessageTypes.register()
        return Google_Protobuf_Any(
            packing: try Envoy_Config_Listener_V3_Listener(
                jsonString: """
                    {"name":"\(name)","address":{"socketAddress":{"address":"\(address)","portValue":0}},"filterChains":[{
                    "filters":[{"name":"hcm","typedConfig":{"@type":"type.googleapis.com/envoy.extensions.filters.network.\
                    http_connection_manager.v3.HttpConnectionManager","statPrefix":"h","routeConfig":{"name":"r",
                    "virtualHosts":[{"name":"v","domains":["*"],"routes":[{"match":{"prefix":"/"},
                    "directResponse":{"status":200}}]}]},"httpFilters":[{"name":"router","typedConfig":{
                    "@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
                    """))
    }

    @Test func aListenerWithoutAnAddressToBindIsLeftOutAndTheOthersServe() async throws {
        var state = DiscoveryState(variant: .delta, wildcards: [TypeURL.cluster, TypeURL.listener], localSecrets: [])
        _ = state.open()
        // 192.0.2.0/24 is for documentation: no host has it.
        let listeners = [
            ("bad", "1", try Self.listener("bad", at: "192.0.2.1")),
            ("good", "1", try Self.listener("good", at: "127.0.0.1")),
        ]
        _ = state.receive(.init(type: TypeURL.cluster, version: "1", nonce: "a", resources: []), now: 1) { _ in [] }
        _ = state.receive(.init(type: TypeURL.listener, version: "1", nonce: "b", resources: listeners), now: 1) { _ in
            []
        }
        let server = try ProxyServer(ProxyServer.Options())
        try server.start()
        defer { server.stop() }
        let agent = ConfigurationAgent(
            fixed: XDSResources(), state: state, localSecretNames: [], compiler: RuntimeCompiler(), dataPlane: server,
            onNameTable: { _ in })
        _ = await agent.start()
        #expect(await agent.serving.listeners.keys.sorted() == ["good"])
        #expect(server.isReady)
        #expect(await agent.isReady)
    }
}
