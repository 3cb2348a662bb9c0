import Agent
import ArgumentParser

/// `martlet proxy`: the data plane, from an Envoy bootstrap.
struct ProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Run the sidecar or gateway proxy from an Envoy bootstrap.",
        discussion: """
            Takes an Envoy bootstrap with static resources, or with dynamic ones from a control plane (ADS, delta or \
            state of the world). With --tokens the proxy gets its certificate from the control plane and serves it as \
            the secrets "default" and "ROOTCA". SIGTERM and SIGINT drain, then end the process.
            """
    )

    @Option(name: .shortAndLong, help: "Bootstrap file, JSON or YAML.")
    var config: String

    @Option(help: "Worker threads; 0 is one per core.")
    var concurrency = 0

    @Option(help: "Memory that the buffers of one worker may hold; beyond it new requests are refused.")
    var bufferMegabytes = 256

    @Option(help: "trace, debug, info, warning, error, critical or off.")
    var logLevel = "info"

    @Option(help: "The workload's tokens, {\"ca\": …, \"xds\": …}; without it the proxy has no identity.")
    var tokens: String?

    @Option(help: "Answer DNS queries on this address (UDP), as 127.0.0.1:15053.")
    var dnsListen: String?

    @Option(help: "Forward names that the mesh does not know to this server; may be given several times.")
    var dnsUpstream: [String] = []

    @Option(help: "Readiness server, as 0.0.0.0:15021; GET /healthz/ready.")
    var statusListen: String?

    @Option(help: "Metrics server, as 0.0.0.0:15090; GET /stats/prometheus.")
    var prometheusListen: String?

    @Option(help: "SO_MARK of the proxy's connections, for capture rules; those to the application bear N+1.")
    var socketMark: UInt32 = 0

    @Option(help: "ADDRESS:PORT=FD: the listener for that address uses this inherited, listening socket.")
    var listenFd: [String] = []

    @Option(
        help: """
            Unix socket for replacing the process without a failed request: start another with the same path, and it \
            takes the listening sockets over while this one drains.
            """)
    var hotRestart: String?

    @Option(help: "Seconds that open requests have when the process is to end.")
    var drainTimeS: Double = 5

    @Option(help: "File for access logs that the configuration sends to standard output; - leaves them there.")
    var accessLog: String?

    func run() async throws {
        guard let level = Log.Level(logLevel) else {
            throw ValidationError("--log-level \(logLevel): no such level")
        }
        Log.level = level
        let options = try options()
        do {
            let agent = try ProxyAgent(bootstrapPath: config, options: options)
            try await agent.run()
        } catch {
            Log.error("agent", "\(error)")
            throw ExitCode.failure
        }
    }

    private func options() throws -> ProxyAgent.Options {
        var options = ProxyAgent.Options()
        options.concurrency = concurrency
        guard (1...1 << 20).contains(bufferMegabytes) else {
            throw ValidationError("--buffer-megabytes \(bufferMegabytes): must be between 1 and 1048576")
        }
        options.bufferBytes = bufferMegabytes << 20
        options.tokensPath = tokens
        options.dnsListen = try endpoint(dnsListen, "--dns-listen")
        options.dnsUpstreams = try dnsUpstream.compactMap { text in
            try endpoint(text.contains(":") ? text : "\(text):53", "--dns-upstream")
        }
        options.statusListen = try endpoint(statusListen, "--status-listen")
        options.prometheusListen = try endpoint(prometheusListen, "--prometheus-listen")
        options.socketMark = socketMark
        for text in listenFd {
            guard options.inherit(text) else {
                throw ValidationError("--listen-fd \(text): wants ADDRESS:PORT=FD with an open descriptor")
            }
        }
        options.accessLog = accessLog
        options.hotRestartPath = hotRestart
        guard drainTimeS >= 0, drainTimeS <= 86_400 else { throw ValidationError("--drain-time-s: 0 to 86400") }
        options.drainTime = .milliseconds(Int(drainTimeS * 1000))
        options.version = Martlet.configuration.version
        return options
    }

    private func endpoint(_ text: String?, _ option: String) throws -> Endpoint? {
        guard let text else { return nil }
        guard let endpoint = Endpoint(text) else {
            throw ValidationError("\(option) \(text): wants an IP address and a port, as 127.0.0.1:15053")
        }
        return endpoint
    }
}
