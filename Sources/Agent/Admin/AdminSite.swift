import FoundationEssentials
import Proxy
import SwiftProtobuf
import TLS
import XDS

/// What the data plane tells the admin server; the proxy implements it.
package protocol DataPlaneReport: Sendable {
    /// Prometheus exposition text of everything that was counted.
    func prometheus() async -> [UInt8]
    /// Envoy's `/stats`: `name: value` lines.
    func statistics() async -> String
}

/// The answers of the admin, readiness and metrics servers.
package struct AdminSite: Sendable {
    let agent: ConfigurationAgent
    let report: any DataPlaneReport
    let bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap
    let isDraining: @Sendable () -> Bool
    let drain: @Sendable () -> Void
    let quit: @Sendable () -> Void
    let version: String
    let started = ContinuousClock.now

    /// 127.0.0.1:15000
    package func admin(_ request: ServerRequest) async -> ServerResponse {
        switch (request.method, request.path) {
        case ("GET", "/"), ("GET", "/help"): .text(Self.help)
        case ("GET", "/ready"): await ready()
        case ("GET", "/stats"):
            request.query["format"] == "prometheus" ? await prometheus() : await stats(request)
        case ("GET", "/stats/prometheus"): await prometheus()
        case ("GET", "/config_dump"): await configDump(request)
        case ("GET", "/clusters"): request.query["format"] == "json" ? await clustersJSON() : await clusters()
        case ("GET", "/memory"): memory()
        case ("GET", "/listeners"): await listeners(request)
        case ("GET", "/certs"): await certificates()
        case ("GET", "/server_info"): await serverInfo()
        case ("POST", "/logging"): logging(request)
        case ("POST", "/drain_listeners"): drainListeners()
        case ("POST", "/quitquitquit"): quitNow()
        case (_, let path) where Self.paths.contains(path):
            .text(
                "Method \(request.method) not allowed, \(request.method == "GET" ? "POST" : "GET") required.",
                status: 405)
        default: .text("invalid path \(request.path); see /help\n", status: 404)
        }
    }

    /// 0.0.0.0:15021
    package func status(_ request: ServerRequest) async -> ServerResponse {
        switch request.path {
        case "/healthz/ready": await ready()
        case "/healthz/live": .text("LIVE\n")
        default: .text("not found; the probe is /healthz/ready\n", status: 404)
        }
    }

    /// 0.0.0.0:15090
    package func metrics(_ request: ServerRequest) async -> ServerResponse {
        switch request.path {
        case "/stats/prometheus", "/metrics": await prometheus()
        default: .text("not found; the metrics are at /stats/prometheus\n", status: 404)
        }
    }

    private static let paths: Set<String> = [
        "/", "/help", "/ready", "/stats", "/stats/prometheus", "/config_dump", "/clusters", "/listeners", "/certs",
        "/server_info", "/memory", "/logging", "/drain_listeners", "/quitquitquit",
    ]

    private static let help = """
        admin commands are:
          /certs: certificates of the workload and the authorities it trusts
          /clusters: upstream clusters and their endpoints (?format=json)
          /config_dump: the configuration as received (?include_eds adds endpoints, ?resource=dynamic_listeners one kind)
          /drain_listeners (POST): stop taking connections
          /help: this text
          /listeners: listeners and their addresses (?format=json)
          /logging (POST): change the log level (?level=debug)
          /memory: what the allocator holds
          /quitquitquit (POST): drain and exit
          /ready: LIVE when traffic is served
          /server_info: version, state, node
          /stats: counters (?filter=REGEX, ?usedonly, ?format=json, ?format=prometheus)
          /stats/prometheus: the same for Prometheus

        """

    private func ready() async -> ServerResponse {
        if isDraining() { return .text("DRAINING\n", status: 503) }
        if await agent.isReady { return .text("LIVE\n") }
        let missing = await agent.missing
        let reason = missing.isEmpty ? "" : ": waiting for \(missing.prefix(5).joined(separator: ", "))"
        return .text("PRE_INITIALIZING\(reason)\n", status: 503)
    }

    private func prometheus() async -> ServerResponse {
        let own = AgentMetrics(
            statistics: await agent.statistics, uptime: .now - started, secondsUntilExpiry: await secondsUntilExpiry())
        return ServerResponse(
            status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: await report.prometheus() + Array(own.prometheus.utf8))
    }

    private func stats(_ request: ServerRequest) async -> ServerResponse {
        let own = AgentMetrics(
            statistics: await agent.statistics, uptime: .now - started, secondsUntilExpiry: await secondsUntilExpiry())
        let text = await report.statistics() + own.lines + agent.checker.lines()
        return stats(request, lines: text.split(separator: "\n").sorted())
    }

    /// Envoy's form: `cluster::name::value`, `cluster::endpoint::name::value`.
    private func clusters() async -> ServerResponse {
        let own = await agent.own
        return .text(
            await servedClusters().map { ClusterReport.lines($0, isOwn: own.clusters[$0.name] != nil) }.joined())
    }

    /// What workers serve, by name.
    func servedClusters() async -> [ClusterDescriptor] {
        (await agent.runtime?.clusters ?? []).compactMap(\.self).sorted { $0.name < $1.name }
    }

    private func configDump(_ request: ServerRequest) async -> ServerResponse {
        let dump = ConfigDump(
            bootstrap: bootstrap, fixed: await agent.own, held: await agent.held,
            workloadSecrets: await agent.workloadSecrets, rejections: await agent.statistics.rejections)
        do {
            if let resource = request.query["resource"] {
                guard let text = try dump.json(of: resource) else {
                    return .text("\(resource) not found in config dump\n", status: 404)
                }
                return .json(text)
            }
            return .json(try dump.json(includesEndpoints: request.query["include_eds"] != nil))
        } catch {
            return .text("the configuration cannot be shown: \(error)\n", status: 500)
        }
    }

    private func listeners(_ request: ServerRequest) async -> ServerResponse {
        let held = await agent.held.listeners.values.map(\.message)
        let all = (await agent.own.listeners.values + held).sorted { $0.name < $1.name }
        guard request.query["format"] == "json" else {
            return .text(all.map { "\($0.name)::\(Self.text($0.address))\n" }.joined())
        }
        let entries = all.map {
            "{\"name\":\(JSONText.quoted($0.name)),\"local_address\":\(JSONText.address($0.address))}"
        }
        return .json("{\"listener_statuses\":[\(entries.joined(separator: ","))]}\n")
    }

    private static func text(_ address: Envoy_Config_Core_V3_Address) -> String {
        switch address.address {
        case .socketAddress(let socket)?: "\(socket.address):\(socket.portValue)"
        case .pipe(let pipe)?: pipe.path
        case nil: "-"
        }
    }

    private func secondsUntilExpiry() async -> Int64? {
        let secrets = await agent.workloadSecrets + agent.held.secrets.values.map(\.message)
        let ends = secrets.compactMap { secret -> Int64? in
            guard case .tlsCertificate(let certificate)? = secret.type else { return nil }
            return TLSCertificate.read(.pem(Array(certificate.certificateChain.inlineBytes))).map(\.notAfter).min()
        }
        return ends.min().map { $0 - wallClockSeconds() }
    }

    private func certificates() async -> ServerResponse {
        let held = await agent.held.secrets.values.map(\.message)
        let secrets = await agent.workloadSecrets + held.sorted { $0.name < $1.name }
        var entries: [String] = []
        for secret in secrets {
            let pem: [UInt8]
            let kind: String
            switch secret.type {
            case .tlsCertificate(let certificate)?:
                (pem, kind) = (Array(certificate.certificateChain.inlineBytes), "cert_chain")
            case .validationContext(let context)?: (pem, kind) = (Array(context.trustedCa.inlineBytes), "ca_cert")
            case nil: continue
            }
            let certificates = TLSCertificate.read(.pem(pem)).map(Self.entry)
            entries.append(
                "{\"name\":\(JSONText.quoted(secret.name)),\"\(kind)\":[\(certificates.joined(separator: ","))]}")
        }
        return .json("{\"certificates\":[\(entries.joined(separator: ",\n"))]}\n")
    }

    private static func entry(_ certificate: TLSCertificate) -> String {
        let names =
            certificate.uriNames.map { "{\"uri\":\(JSONText.quoted(String(decoding: $0, as: UTF8.self)))}" }
            + certificate.dnsNames.map { "{\"dns\":\(JSONText.quoted(String(decoding: $0, as: UTF8.self)))}" }
        let days = max(0, certificate.notAfter - wallClockSeconds()) / 86_400
        func time(_ seconds: Int64) -> String {
            Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        }
        return """
            {"serial_number":\(JSONText.quoted(certificate.serialNumber)),"subject_alt_names":[\(names.joined(separator: ","))],\
            "days_until_expiration":"\(days)","valid_from":"\(time(certificate.notBefore))",\
            "expiration_time":"\(time(certificate.notAfter))"}
            """
    }

    private func serverInfo() async -> ServerResponse {
        let state = isDraining() ? "DRAINING" : await agent.isReady ? "LIVE" : "PRE_INITIALIZING"
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        let node = (try? bootstrap.node.jsonString(options: options)) ?? "{}"
        let uptime = (ContinuousClock.now - started).components.seconds
        return .json(
            """
            {"version":\(JSONText.quoted("martlet/\(version)")),"state":"\(state)","uptime_current_epoch":"\(uptime)s",\
            "uptime_all_epochs":"\(uptime)s","command_line_options":{"mode":"Serve","log_level":"\(Log.level)"},\
            "node":\(node)}

            """)
    }

    private func logging(_ request: ServerRequest) -> ServerResponse {
        // Envoy's forms: ?level=debug, or ?SCOPE=debug, of which there is one scope here.
        guard let name = request.query["level"] ?? request.query.values.first else {
            return .text("active loggers:\n  martlet: \(Log.level)\n")
        }
        guard let level = Log.Level(name) else {
            let known = Log.Level.allCases.map { "\($0)" }.joined(separator: ", ")
            return .text("no such level: \(name); one of \(known)\n", status: 400)
        }
        Log.level = level
        return .text("active loggers:\n  martlet: \(level)\n")
    }

    private func drainListeners() -> ServerResponse {
        drain()
        return .text("OK\n")
    }

    private func quitNow() -> ServerResponse {
        quit()
        return .text("OK\n")
    }
}
