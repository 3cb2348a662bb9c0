import CLinux
import EventLoop
import Glibc
import Proxy
import SwiftProtobuf
import Synchronization
package import XDS
import XDSTransport

/// A whole proxy process: the data plane, and everything that connects it with the world.
package struct ProxyAgent: Sendable {
    package struct Options: Sendable {
        /// Worker threads; 0 is one per core.
        package var concurrency = 0
        /// Memory that the buffers of one worker may hold.
        package var bufferBytes = 256 << 20
        /// The workload's tokens; nil is a proxy without identity.
        package var tokensPath: String?
        package var dnsListen: Endpoint?
        package var dnsUpstreams: [Endpoint] = []
        package var statusListen: Endpoint?
        package var prometheusListen: Endpoint?
        package var socketMark: UInt32 = 0
        private(set) var inheritedListeners: [SocketAddress: Int32] = [:]
        /// Where access logs go that the configuration sends to standard output; nil leaves them there.
        package var accessLog: String?
        /// Where a process that replaces this one asks for its listening sockets, and where this one asks its predecessor.
        package var hotRestartPath: String?
        /// How long open requests may take when the process is told to end.
        package var drainTime = Duration.seconds(5)
        package var version = ""

        package init() {}

        /// Adds an inherited socket, `0.0.0.0:80=7`.
        /// - Returns: false when the text is not that, or no such descriptor is open.
        package mutating func inherit(_ text: String) -> Bool {
            let parts = text.split(separator: "=")
            guard parts.count == 2, let address = SocketAddress(String(parts[0])), let descriptor = Int32(parts[1]),
                fcntl(descriptor, F_GETFD) >= 0
            else { return false }
            inheritedListeners[address] = descriptor
            return true
        }
    }

    /// The configuration or the surroundings make a start impossible; the text is for operators.
    package struct StartError: Error, CustomStringConvertible {
        package let description: String
    }

    /// For `/drain_listeners`: Envoy's default of --drain-time-s.
    private static let operatorDrainTime = Duration.seconds(600)

    private let options: Options
    private let bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap

    /// - Throws: `BootstrapError`, with the place in the file.
    package init(bootstrapPath path: String, options: Options) throws {
        self.init(bootstrap: try Bootstrap.load(path: path), options: options)
    }

    package init(bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap, options: Options) {
        self.bootstrap = bootstrap
        self.options = options
    }

    /// Runs until SIGTERM, SIGINT or `/quitquitquit`, then drains and returns.
    package func run() async throws {
        if let path = options.accessLog { try redirectStandardOutput(to: path) }
        let node = ProxyNode(bootstrap.node)
        let controlPlane = try ControlPlaneAddress.find(in: bootstrap)
        let tokens = try options.tokensPath.map { path in
            do { return try WorkloadTokens.load(path: path) } catch {
                throw StartError(description: "\(path): the workload's tokens cannot be read: \(error)")
            }
        }

        var proxyOptions = ProxyServer.Options()
        proxyOptions.bufferBytes = options.bufferBytes
        proxyOptions.concurrency =
            options.concurrency > 0 ? options.concurrency : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        proxyOptions.socketMark = Int32(bitPattern: options.socketMark)
        proxyOptions.inheritedListeners = options.inheritedListeners
        proxyOptions.maxDownstreamConnections = try connectionLimit()
        proxyOptions.warn = { Log.warning("proxy", $0) }
        let inheritance = try options.hotRestartPath.flatMap { try HotRestart.inherit(from: $0) }
        if let inheritance { proxyOptions.takenOver = inheritance.listeners }
        let server = try ProxyServer(proxyOptions)
        try server.start()

        let dns = try startDNS()
        let localSecrets: Set<String> =
            tokens == nil ? [] : [WorkloadIdentity.certificateName, WorkloadIdentity.rootName]
        let agent = ConfigurationAgent(
            fixed: fixedResources(without: controlPlane?.cluster),
            state: controlPlane.map { found in
                DiscoveryState(
                    variant: found.variant,
                    wildcards: [TypeURL.cluster, TypeURL.listener] + (dns == nil ? [] : [TypeURL.nameTable]),
                    localSecrets: localSecrets)
            },
            localSecretNames: localSecrets,
            compiler: RuntimeCompiler(local: node.metricLabels),
            dataPlane: server,
            socketMark: options.socketMark,
            onNameTable: { table in
                dns?.update(NameTable(table, namespace: node.namespace, domain: node.domain))
            })
        let ending = Ending()
        let servers = try startServers(agent, server, ending)
        Signals.handle { _ in ending.quit() }

        let problems = await agent.start()
        guard problems.isEmpty else {
            let text = problems.map { "static_resources: \($0)" }.joined(separator: "\n")
            throw StartError(description: text)
        }
        martlet_release_startup_memory()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let successors = await self.succeed(inheritance, agent, server, ending) { servers?.stop() }
                // What the configuration of a control plane needed is given back as well.
                try? await Task.sleep(for: .seconds(3))
                martlet_release_startup_memory()
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(86_400)) }
                successors?.stop()
            }
            if let controlPlane {
                let node = bootstrap.node
                group.addTask { await agent.discover(from: controlPlane.client, node: node, token: tokens?.xds) }
                if let tokens {
                    let identity = try identity(of: ProxyNode(node), tokens, controlPlane.client, agent)
                    group.addTask { await identity.run() }
                }
            } else {
                Log.info("agent", "serving the static resources of the bootstrap")
            }
            group.addTask { await agent.resolveNames() }
            await ending.wait()
            // Drain first: ending the stream to a control plane that does not answer takes a moment.
            Log.info("agent", "draining for at most \(options.drainTime)")
            await server.drain(deadline: options.drainTime)
            group.cancelAll()
        }
        servers?.stop()
        dns?.stop()
        Log.info("agent", "stopped")
    }

    /// Takes over from a predecessor once this process serves, and waits for a successor of its own.
    private func succeed(
        _ inheritance: HotRestart.Inheritance?, _ agent: ConfigurationAgent, _ server: ProxyServer, _ ending: Ending,
        stopServers: @escaping @Sendable () -> Void
    ) async -> HotRestartServer? {
        guard let path = options.hotRestartPath else { return nil }
        while !(await agent.isReady) {
            guard (try? await Task.sleep(for: .milliseconds(5))) != nil else { return nil }
        }
        var successors: HotRestartServer?
        do {
            successors = try HotRestartServer(
                path: path, sockets: { server.listeningSockets },
                succeeded: {
                    Log.info("agent", "a successor serves: handing over to it")
                    stopServers()
                    ending.quit()
                })
        } catch {
            Log.error("agent", "this process cannot be replaced: \(error)")
        }
        if let inheritance {
            server.closeUnclaimed()
            HotRestart.takeOver(from: inheritance)
            Log.info("agent", "took over \(inheritance.listeners.count) listeners from the predecessor")
        }
        return successors
    }

    /// `overload_manager`: the one monitor there is here, envoy.resource_monitors.global_downstream_max_connections.
    private func connectionLimit() throws -> Int? {
        typealias Limit = Envoy_Extensions_ResourceMonitors_DownstreamConnections_V3_DownstreamConnectionsConfig
        var limit: Int?
        for (index, monitor) in bootstrap.overloadManager.resourceMonitors.enumerated() {
            let path = "overload_manager.resource_monitors[\(index)]"
            guard monitor.typedConfig.isA(Limit.self), let config = try? Limit(unpackingAny: monitor.typedConfig) else {
                throw StartError(description: "\(path): resource monitor \(monitor.name) is not supported")
            }
            guard config.maxActiveDownstreamConnections > 0 else {
                throw StartError(description: "\(path).typed_config.max_active_downstream_connections: must be above 0")
            }
            limit = Int(clamping: config.maxActiveDownstreamConnections)
        }
        return limit
    }

    /// The bootstrap's own listeners and clusters. The cluster of the control plane is the agent's business, not traffic's.
    private func fixedResources(without controlPlane: String?) -> XDSResources {
        var resources = XDSResources(static: bootstrap.staticResources)
        if let controlPlane { resources.clusters[controlPlane] = nil }
        return resources
    }

    private func identity(
        of node: ProxyNode, _ tokens: WorkloadTokens, _ client: DiscoveryClient, _ agent: ConfigurationAgent
    ) throws -> WorkloadIdentity {
        do {
            return WorkloadIdentity(
                identity: try node.identity(), tokens: tokens, tokensPath: options.tokensPath,
                sign: { csr, token in try await client.createCertificate(csr: csr, token: token) },
                onChange: { secrets in await agent.update(secrets: secrets) })
        } catch {
            throw StartError(
                description: "node.metadata of the bootstrap must name NAMESPACE and SERVICE_ACCOUNT: \(error)")
        }
    }

    private func startDNS() throws -> DNSServer? {
        guard let listen = options.dnsListen else { return nil }
        return try DNSServer(
            DNSServer.Options(listen: listen, upstreams: options.dnsUpstreams, mark: options.socketMark))
    }

    private func startServers(
        _ agent: ConfigurationAgent, _ server: ProxyServer, _ ending: Ending
    ) throws -> HTTPServer? {
        let site = AdminSite(
            agent: agent, report: TrafficReport(server: server), bootstrap: bootstrap,
            isDraining: { ending.isDraining },
            drain: {
                guard ending.startDraining() else { return }
                Log.info("agent", "draining: no new connections are taken")
                Task {
                    await server.drain(deadline: Self.operatorDrainTime)
                }
            },
            quit: { ending.quit() },
            version: options.version)
        var sites: [HTTPServer.Site] = []
        if bootstrap.hasAdmin, case .socketAddress(let socket)? = bootstrap.admin.address.address {
            guard let port = UInt16(exactly: socket.portValue), let address = Endpoint(host: socket.address, port: port)
            else {
                throw StartError(
                    description: "admin.address: \(socket.address):\(socket.portValue) is not an IP address")
            }
            sites.append(HTTPServer.Site(address: address, answer: site.admin))
        }
        if let address = options.statusListen { sites.append(HTTPServer.Site(address: address, answer: site.status)) }
        if let address = options.prometheusListen {
            sites.append(HTTPServer.Site(address: address, answer: site.metrics))
        }
        return sites.isEmpty ? nil : try HTTPServer(sites, sharesPorts: options.hotRestartPath != nil)
    }

    private func redirectStandardOutput(to path: String) throws {
        guard path != "-" else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0, dup2(descriptor, STDOUT_FILENO) >= 0 else {
            throw StartError(description: "access log \(path): \(String(cString: strerror(errno)))")
        }
        close(descriptor)
    }
}

extension ProxyServer: DataPlane {}

/// How the process comes to its end: asked for by a signal or an operator, once.
private final class Ending: Sendable {
    private let draining = Atomic(false)
    private let (requests, sink) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// False when it was draining already.
    func startDraining() -> Bool { !draining.exchange(true, ordering: .relaxed) }

    func quit() {
        draining.store(true, ordering: .relaxed)
        sink.yield()
    }

    func wait() async {
        for await _ in requests { return }
    }
}
