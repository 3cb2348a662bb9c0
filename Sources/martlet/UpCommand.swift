import ArgumentParser
import Foundation
import LocalMesh
import MeshAPI

/// `martlet up`: a mesh on this machine.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run manifests as a service mesh on this machine.",
        discussion: """
            Each replica becomes a process in a network namespace of its own, with a sidecar through which all its traffic goes. \
            Gateways listen on 127.0.0.1: port 80 as 8080, 443 as 8443, others as they are. Changed files are applied at once. \
            Neither root nor containers are needed.
            """
    )

    @Argument(help: "Files and folders with manifests.")
    var paths: [String]

    @OptionGroup var selection: MeshSelection

    @Option(help: "File that says which commands run instead of container images.")
    var local: String?

    @Flag(help: "Return when all is ready; `martlet down` stops the mesh.")
    var detach = false

    @Flag(help: "Print lines instead of drawing a screen.")
    var noUI = false

    @Option(
        name: [.customLong("port"), .customLong("port-map")],
        help: ArgumentHelp(
            "Port of the host for a gateway's port, as in 80=9000. Repeatable.", valueName: "gateway=host")
    )
    var ports: [String] = []

    @Option(help: "The same as --port 80=PORT.")
    var httpPort: UInt16?

    @Option(help: "The same as --port 443=PORT.")
    var httpsPort: UInt16?

    @Option(help: "Worker threads of each proxy.")
    var proxyConcurrency: Int = 1

    @Option(help: "Log level of the proxies.")
    var proxyLogLevel: String = "info"

    @Flag(help: "Keep pods from reaching anything outside of the mesh.")
    var noEgress = false

    @Option(help: "Lifetime of workload certificates, such as 24h, 30m or 90s.")
    var certLifetime: String?

    @Option(help: "How often the key sets of token issuers (jwksUri) are looked at, such as 60s.")
    var jwksRefresh: String?

    @Option(
        name: .customLong("jwks-ca"),
        help: "PEM file with the authorities of issuers' servers, in the place of the system's (or SSL_CERT_FILE).")
    var keySetAuthorities: String?

    @Option(help: "With --detach: longest wait until all is ready, in seconds.")
    var timeout: Int = 120

    func run() async throws {
        let state = try selection.state
        let mapping = try portMapping()
        let options = try initOptions(state)
        try checkLocal()
        if detach { return try await DetachedMesh(command: self, state: state).start() }
        let host = try MeshHost(
            options, ports: HostPorts(mapping: mapping), environment: ProcessInfo.processInfo.environment)
        try await MeshFace(host: host, state: state, draws: !noUI && isatty(1) == 1 && isatty(0) == 1).run()
    }

    private func portMapping() throws -> PortMapping {
        var mapping = PortMapping()
        for text in ports {
            let (gateway, host) = try PortMapping.parse(text)
            mapping.chosen[gateway] = host
        }
        if let httpPort { mapping.chosen[80] = httpPort }
        if let httpsPort { mapping.chosen[443] = httpsPort }
        return mapping
    }

    private func initOptions(_ state: StateDirectory) throws -> MeshInitOptions {
        for path in paths where !FileManager.default.fileExists(atPath: path) {
            throw ValidationError("there is no file or folder '\(path)'")
        }
        var options = MeshInitOptions(
            mesh: selection.mesh,
            state: state,
            executable: CommandPaths.executable,
            configuration: paths.map(CommandPaths.absolute),
            local: local.map(CommandPaths.absolute),
            concurrency: max(1, proxyConcurrency),
            proxyLogLevel: proxyLogLevel,
            nft: try HostRequirements.nft(path: ProcessInfo.processInfo.environment["PATH"]),
            egress: !noEgress
        )
        options.controlPlane = try controlPlaneWords()
        return options
    }

    private func controlPlaneWords() throws -> [String] {
        var words: [String] = []
        for (name, value, least) in [("--cert-lifetime", certLifetime, 2.0), ("--jwks-refresh", jwksRefresh, 1)] {
            guard let value else { continue }
            guard let seconds = ControlPlaneCommand.seconds(value), seconds >= least else {
                throw ValidationError("\(name): \"\(value)\" is not a time of at least \(Int(least))s, such as 60s")
            }
            words += [name, value]
        }
        let named = ProcessInfo.processInfo.environment["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : $0 }
        if let path = keySetAuthorities ?? named { words += ["--jwks-ca", CommandPaths.absolute(path)] }
        return words
    }

    /// The image map is read where the pods are; its faults are told here and now.
    private func checkLocal() throws {
        guard let local else { return }
        guard let text = Files.read(local) else { throw ValidationError("--local: '\(local)' cannot be read") }
        let faults = ImageMap.decode(text, file: local).diagnostics
        for fault in faults { FileHandle.standardError.write(Data("\(fault)\n".utf8)) }
        if faults.contains(where: { $0.severity == .error }) { throw ExitCode.failure }
    }

    /// The command line of the same mesh in the foreground.
    func foregroundWords(_ state: StateDirectory) -> [String] {
        var words = ["up"] + paths.map(CommandPaths.absolute)
        words += ["--no-ui", "--mesh", selection.mesh, "--state-dir", state.path]
        if let local { words += ["--local", CommandPaths.absolute(local)] }
        for port in ports { words += ["--port", port] }
        if let httpPort { words += ["--http-port", String(httpPort)] }
        if let httpsPort { words += ["--https-port", String(httpsPort)] }
        if noEgress { words.append("--no-egress") }
        if let certLifetime { words += ["--cert-lifetime", certLifetime] }
        if let jwksRefresh { words += ["--jwks-refresh", jwksRefresh] }
        if let keySetAuthorities { words += ["--jwks-ca", CommandPaths.absolute(keySetAuthorities)] }
        return words + ["--proxy-concurrency", String(proxyConcurrency), "--proxy-log-level", proxyLogLevel]
    }
}
