import Dispatch
import FoundationEssentials
import Glibc
import Identity
import MeshAPI
package import MeshState
import XDSTransport

/// Runs a control plane: reads and watches the configuration, keeps the authority, serves proxies until it is told to stop.
package struct ControlPlaneRunner: Sendable {
    package struct Options: Sendable {
        /// Files and folders with manifests.
        package var configuration: [String]
        /// Holds `workloads.json`, `token.key`, `ca/`, and gets `xds.sock` and `status.json`.
        package var stateDirectory: String
        /// Seconds.
        package var certificateLifetime: Double = 86400
        /// A further address for discovery over TCP with TLS (`0.0.0.0:15012`), for proxies that cannot reach the socket.
        package var listen: (host: String, port: Int)?
        /// Further DNS names and addresses by which clients of `listen` call this machine.
        package var listenNames: [String] = []
        package var settings = MeshSettings()
        package var keySets = KeySetStore.Options()

        package init(configuration: [String], stateDirectory: String) {
            self.configuration = configuration
            self.stateDirectory = stateDirectory
        }
    }

    private let options: Options

    package init(options: Options) {
        self.options = options
    }

    /// Returns after SIGTERM or SIGINT, when the streams have ended.
    /// - Throws: when the state directory is unusable or an address cannot be bound; configuration never makes it throw.
    package func run() async throws {
        // Sockets and files of the control plane are its owner's alone.
        umask(0o077)
        let state = options.stateDirectory
        let log = LogWriter()
        var settings = ControlPlaneServer.Options()
        settings.trustDomain = options.settings.trustDomain
        settings.certificateLifetime = options.certificateLifetime
        settings.tokenKey = try TokenKey(path: state + "/token.key")
        settings.statusPath = state + "/status.json"
        settings.settingsPath = state + "/mesh-settings.yaml"
        settings.ledgerPath = state + "/ca/spent-tokens"
        let authority = try CertificateAuthority(folder: state + "/ca", now: Date())
        try RootRotation(folder: state + "/ca").note(certificateLifetime: options.certificateLifetime)
        let controlPlane = ControlPlaneServer(
            options: settings, authority: authority, log: { log.write($0) }
        )
        let store = MeshStore(
            paths: options.configuration, workloadsPath: state + "/workloads.json",
            memoryPath: state + "/last-good.json", settings: options.settings
        )
        var keySetOptions = options.keySets
        keySetOptions.memoryPath = state + "/key-sets.json"
        let keySets = KeySetStore(options: keySetOptions) { log.write($0) }
        let first = await store.load()
        log.report(first)
        await keySets.prepare(for: first.snapshot)
        await controlPlane.apply(
            first.snapshot, diagnostics: first.diagnostics, keySets: await keySets.snapshot)

        let socket = state + "/xds.sock"
        try Self.clear(socket: socket)
        let keeper = try options.listen.map { listen in
            try DoorKeeper(
                DoorCertificate(
                    trustDomain: settings.trustDomain, namespace: options.settings.rootNamespace,
                    names: Self.names(of: listen.host) + options.listenNames, lifetime: options.certificateLifetime),
                authority: authority, anchorsPath: state + "/xds-ca.pem", log: { log.write($0) })
        }
        var servers = [
            DiscoveryServer(
                address: .unixSocket(path: socket), discovery: controlPlane, certificates: controlPlane)
        ]
        var places = ["unix:\(socket)"]
        if let listen = options.listen, let keeper {
            let address = ServerAddress.tcp(host: listen.host, port: listen.port)
            servers.append(
                DiscoveryServer(
                    address: address, security: keeper.door, discovery: controlPlane, certificates: controlPlane))
            places.append("\(address) (TLS)")
        }
        log.write("serving on \(places.joined(separator: " and "))")

        let signals = StopSignals()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for server in servers { group.addTask { try await server.run() } }
            if let keeper {
                group.addTask {
                    await keeper.run()
                    throw CancellationError()
                }
            }
            group.addTask { await store.run() }
            group.addTask {
                await controlPlane.renewIdentities()
                throw CancellationError()
            }
            group.addTask {
                for await update in store.updates {
                    log.report(update)
                    await keySets.prepare(for: update.snapshot)
                    await controlPlane.apply(
                        update.snapshot, diagnostics: update.diagnostics, keySets: await keySets.snapshot)
                    await keySets.settle(on: update.snapshot)
                }
            }
            group.addTask {
                // The authority's files change when its owner or a rotation changes them.
                let folder = state + "/ca"
                var inForce = authority
                var known = CertificateAuthority.stamp(folder: folder)
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(1))
                    do {
                        let stamp = CertificateAuthority.stamp(folder: folder)
                        let current = try inForce.reopened(folder: folder, now: Date())
                        // Files that were replaced while they were read are read again; so are those of a rotation's step.
                        guard stamp != known, stamp == CertificateAuthority.stamp(folder: folder) else { continue }
                        inForce = current
                        known = stamp
                        await controlPlane.use(current)
                        await keeper?.use(current)
                    } catch {
                        log.write("authority: \(error); the one in force stays")
                        try? await Task.sleep(for: .seconds(10))
                    }
                }
            }
            group.addTask {
                for await sets in keySets.updates { await controlPlane.apply(sets) }
            }
            group.addTask {
                await signals.wait()
                throw CancellationError()
            }
            do {
                try await group.next()
                // A server that ends by itself has lost its socket.
                while try await group.next() != nil {}
            } catch is CancellationError {
                log.write("stopping")
            }
            await keySets.stop()
            await controlPlane.stop()
            for server in servers { server.stop() }
            group.cancelAll()
        }
        unlink(socket)
    }

    /// What clients on this machine, and its host name's friends, call the address.
    private static func names(of host: String) -> [String] {
        var names = [host]
        if host == "0.0.0.0" || host == "::" {
            names = ["127.0.0.1", "::1"]
            var name = [CChar](repeating: 0, count: 256)
            if gethostname(&name, name.count - 1) == 0 {
                let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                if !text.isEmpty { names.append(text) }
            }
        }
        return names.contains("127.0.0.1") || names.contains("::1") ? names + ["localhost"] : names
    }

    /// Removes the socket of a control plane that is gone; refuses to take it from one that is alive.
    private static func clear(socket path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else {
            throw IdentityError.file(path: path, reason: "too long for a Unix socket (\(capacity - 1) bytes at most)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if connected == 0 { throw IdentityError.file(path: path, reason: "another control plane is serving here") }
        unlink(path)
    }
}

/// SIGTERM and SIGINT as something to wait for.
private final class StopSignals: Sendable {
    private let stream: AsyncStream<Void>
    // SAFETY: set once in `init`, afterwards only released; Dispatch sources may be released from any thread.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        self.stream = stream
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield() }
            source.activate()
            return source
        }
    }

    func wait() async {
        for await _ in stream { return }
    }
}

/// One line per event on standard error, with the time.
private struct LogWriter: Sendable {
    func write(_ text: String) {
        let line = Array("\(Date().formatted(.iso8601)) \(text)\n".utf8)
        // One call per line, so that lines of several writers do not mix; nobody could be told that it failed.
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    func report(_ update: MeshUpdate) {
        let changed = update.changedResources.map(\.description).sorted()
        let pods = update.changedWorkloads.sorted()
        write(
            "generation \(update.snapshot.generation): \(changed.count) resources and \(pods.count) pods changed"
                + (changed.isEmpty || changed.count > 8 ? "" : " (\(changed.joined(separator: ", ")))")
        )
        for diagnostic in update.diagnostics { write(diagnostic.description) }
    }
}
