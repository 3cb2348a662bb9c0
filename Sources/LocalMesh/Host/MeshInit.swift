import CLinux
import FoundationEssentials
import Glibc
import Identity
import MeshAPI

/// The inner process: process 1 of the mesh. It builds the network, runs everything, and takes everything with it when it ends.
package enum MeshInit {
    package static func run(_ options: MeshInitOptions, environment: [String: String]) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        martlet_die_with_parent()
        BackgroundThread.start {
            var byte: UInt8 = 0
            while read(MeshInitOptions.Descriptor.lifeline, &byte, 1) < 0 && errno == EINTR {}
            // The outer process is gone, so nobody is there to stop for.
            _exit(0)
        }
        do {
            try await start(options, environment: environment)
        } catch {
            try? Files.write("\(error)", to: options.state.failure)
            exit(1)
        }
        while true { try? await Task.sleep(for: .seconds(3600)) }
    }

    private static func start(_ options: MeshInitOptions, environment: [String: String]) async throws {
        let children = ChildProcesses()
        let network: PodNetwork
        do {
            network = try PodNetwork(children: children, nft: options.nft)
        } catch {
            throw LocalMeshError.refused(
                doing: "building the mesh's network",
                error: "\(error)",
                remedy: "the kernel needs bridges and veth pairs; as root: modprobe -a bridge veth"
            )
        }
        let door = HostDoor(socket: MeshInitOptions.Descriptor.door)
        if options.egress { try await openEgress(door, children, options) }
        let key = try TokenKey(path: options.state.tokenKey)
        let mint = TokenMint { namespace, serviceAccount, pod, isGateway in
            func token(_ audience: WorkloadToken.Audience, _ seconds: Double) -> String {
                WorkloadToken(
                    audience: audience,
                    namespace: namespace,
                    serviceAccount: serviceAccount,
                    pod: pod,
                    expires: Date(timeIntervalSinceNow: seconds),
                    isGateway: isGateway
                ).mint(key: key)
            }
            // Long enough to sign in, and as long as a mesh on a desk may run.
            return ProxyTokens(ca: token(.ca, 24 * 3600), xds: token(.xds, 30 * 24 * 3600))
        }
        let mesh = Mesh(
            options: Mesh.Options(
                mesh: options.mesh,
                state: options.state,
                executable: options.executable,
                configuration: options.configuration,
                concurrency: options.concurrency,
                proxyLogLevel: options.proxyLogLevel,
                environment: base(environment, executable: options.executable),
                images: try images(options.local),
                controlPlane: options.controlPlane
            ),
            children: children,
            network: network,
            tokens: mint,
            door: door,
            log: 2
        )
        let server = ControlServer(mesh: mesh, listener: MeshInitOptions.Descriptor.control) {
            Task {
                await mesh.stop()
                exit(0)
            }
        }
        server.start()
        Task { await mesh.keepControlPlane() }
        Task { await mesh.keepRates() }
        Task {
            await ConfigurationWatch(paths: options.configuration + [options.state.guests]).run { await mesh.apply($0) }
        }
    }

    /// Leads what leaves the mesh to the host's side.
    private static func openEgress(_ door: HostDoor, _ children: ChildProcesses, _ options: MeshInitOptions)
        async throws
    {
        let rules = "\(options.state.path)/egress.nft"
        try Files.write(Egress.rules, to: rules)
        let request = ChildProcesses.Request(
            path: options.nft, words: [options.nft, "-f", rules], environment: [], descriptors: [-1, 2, 2])
        let exit = await children.end(of: try children.start(request))
        guard exit.succeeded else {
            throw LocalMeshError.ended(what: "nft -f \(rules)", how: "\(exit); see supervisor.log")
        }
        try door.relayEgress()
    }

    private static func images(_ file: String?) throws(LocalMeshError) -> ImageMap {
        guard let file else { return ImageMap() }
        guard let text = Files.read(file) else { throw Files.failure("reading \(file)") }
        let (map, diagnostics) = ImageMap.decode(text, file: file)
        if let first = diagnostics.first(where: { $0.severity == .error }) {
            throw .invalid(what: "the image map", reason: "\(first)")
        }
        return map
    }

    /// What processes of pods see of the host's environment. `martlet` is found by name in it.
    private static func base(_ environment: [String: String], executable: String) -> [EnvironmentVariable] {
        let names = ["HOME", "LANG", "LC_ALL", "LOGNAME", "SSL_CERT_FILE", "TERM", "TMPDIR", "TZ", "USER"]
        var variables = names.compactMap { name in environment[name].map { EnvironmentVariable(name, $0) } }
        var path = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in ["/usr/sbin", "/sbin"] where !path.split(separator: ":").contains(Substring(folder)) {
            path += ":\(folder)"
        }
        if let slash = executable.lastIndex(of: "/"), executable.hasSuffix("/martlet") {
            path = "\(executable[..<slash]):\(path)"
        }
        variables.append(EnvironmentVariable("PATH", path))
        return variables
    }
}
