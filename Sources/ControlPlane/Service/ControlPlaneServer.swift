package import FoundationEssentials
package import Identity
package import MeshAPI
package import MeshState
import SwiftProtobuf
package import XDS
package import XDSTransport

/// The control plane: takes snapshots of the mesh, gives each connected proxy what is its, signs certificates, and keeps
/// account of both.
package actor ControlPlaneServer {
    package struct Options: Sendable {
        package var trustDomain = "cluster.local"
        /// Seconds.
        package var certificateLifetime: TimeInterval = 86400
        /// Without a key every proxy is believed: for tests and for a peer that cannot present a token.
        package var tokenKey: TokenKey?
        /// Where `status.json` is written; nil writes none.
        package var statusPath: String?
        /// Where spent one-time tokens are remembered across restarts; nil forgets them.
        package var ledgerPath: String?
        /// Where the mesh's settings that were in force last are kept, for a start with settings that cannot be read; nil
        /// forgets them.
        package var settingsPath: String?

        package init() {}
    }

    private struct Connection {
        var proxy: ProxyIdentity
        var sink: AsyncStream<XDSTransport.ResourceSet>.Continuation
        var acknowledged = 0
        var rejections: [DiscoverySession.Rejection] = []
        /// Of proxies that cannot make their own.
        var identity: IdentityIssuer.Identity?
        /// What was sent last.
        var last: XDSTransport.ResourceSet?
    }

    private let options: Options
    private var authority: CertificateAuthority?
    private let log: @Sendable (String) -> Void
    private let now: @Sendable () -> Date
    private let admission: ProxyAdmission
    private var nonces = NonceLedger()
    private var certificates = CertificateBook()
    private var connections: [Int: Connection] = [:]
    private var nextConnection = 1
    private var snapshot: MeshSnapshot?
    private var builder: ConfigurationBuilder?
    private var keySets = KeySetSnapshot()
    private var diagnostics: [Diagnostic] = []
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var statusIsDue = false
    /// What `warnOfExpiry` has said and still holds.
    private var warned: Set<String> = []

    package init(
        options: Options,
        authority: CertificateAuthority?,
        log: @escaping @Sendable (String) -> Void = { _ in },
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.options = options
        self.authority = authority
        self.log = log
        self.now = now
        admission = ProxyAdmission(tokenKey: options.tokenKey, trustDomain: options.trustDomain)
        if let path = options.ledgerPath, let text = try? PrivateFile.read(path) {
            nonces = NonceLedger(text: text, now: now())
        }
    }

    /// Puts a snapshot in force: each proxy whose configuration it changes gets the difference.
    package func apply(_ snapshot: MeshSnapshot, diagnostics: [Diagnostic], keySets: KeySetSnapshot? = nil) {
        if let keySets, keySets != self.keySets {
            self.keySets = keySets
            builder?.use(keySets)
        }
        certificates.forget(
            between: self.snapshot, and: snapshot, now: now(),
            keeping: Set(connections.values.map { "\($0.proxy.namespace)/\($0.proxy.pod)" }))
        self.snapshot = snapshot
        let settings = MeshConfiguration(snapshot)
        self.diagnostics = diagnostics + CapabilityReport.diagnostics(snapshot) + settings.diagnostics(snapshot)
        if settings.fault == nil { keep(MeshConfiguration.text(of: snapshot)) }
        if builder == nil {
            let lastGood = settings.fault == nil ? nil : keptSettings().map { MeshConfiguration(yaml: $0) }
            builder = ConfigurationBuilder(snapshot, keySets: self.keySets, lastGood: lastGood)
        } else {
            builder?.advance(to: snapshot)
        }
        for number in connections.keys { deliver(to: number) }
        for waiter in waiting { waiter.resume() }
        waiting = []
        writeStatus()
    }

    private func keptSettings() -> String? { options.settingsPath.flatMap { try? PrivateFile.read($0) } }

    private func keep(_ settings: String) {
        guard let path = options.settingsPath, keptSettings() != settings else { return }
        do {
            try PrivateFile.write(settings, to: path)
        } catch {
            log("the mesh's settings are not remembered: \(error)")
        }
    }

    /// Signs with this authority from now on.
    package func use(_ authority: CertificateAuthority) {
        let ends = authority.expiries.map { "\($0.name) until \($0.notAfter.formatted(.iso8601))" }
        log("authority: \(ends.joined(separator: ", "))")
        self.authority = authority
        writeStatusSoon()
    }

    /// Puts the keys of issuers in force: proxies that verify their tokens get them.
    package func apply(_ keySets: KeySetSnapshot) {
        guard keySets != self.keySets else { return }
        self.keySets = keySets
        builder?.use(keySets)
        for number in connections.keys { deliver(to: number) }
    }

    private func deliver(to number: Int) {
        guard var connection = connections[number], var set = builder?.build(for: connection.proxy) else { return }
        if connection.proxy.features.contains(.needsIdentity), let authority {
            if connection.identity.map({ $0.renewal <= now() }) ?? true {
                let issuer = IdentityIssuer(
                    authority: authority, trustDomain: options.trustDomain, lifetime: options.certificateLifetime
                )
                do {
                    connection.identity = try issuer.issue(
                        namespace: connection.proxy.namespace, serviceAccount: connection.proxy.serviceAccount,
                        now: now()
                    )
                    if let issued = connection.identity?.issued, let name = connection.identity?.name {
                        let pod = "\(connection.proxy.namespace)/\(connection.proxy.pod)"
                        note(issued, name, pod: pod, authority, now())
                    }
                } catch {
                    log("no certificate for \(connection.proxy.id): \(error)")
                }
                connections[number] = connection
            }
            for secret in connection.identity?.secrets ?? [] { set.insert(secret, named: secret.name) }
        }
        // Who holds all of this already need not be asked.
        if let last = connection.last, connection.acknowledged == last.generation, last.hasEqualContent(to: set) {
            connections[number]?.acknowledged = set.generation
            connections[number]?.last?.generation = set.generation
            return
        }
        connections[number]?.last = set
        connection.sink.yield(set)
    }

    /// Renews the certificates that were made here; returns when the task is cancelled.
    package func renewIdentities() async {
        while !Task.isCancelled {
            let next = connections.values.compactMap(\.identity?.renewal).min() ?? now().addingTimeInterval(60)
            try? await Task.sleep(for: .seconds(min(60, max(1, next.timeIntervalSince(now())))))
            for (number, connection) in connections where connection.identity.map({ $0.renewal <= now() }) ?? false {
                deliver(to: number)
            }
            warnOfExpiry()
        }
    }

    /// What there is to say now.
    package func status() -> ControlPlaneStatus {
        ControlPlaneStatus(
            snapshot: snapshot,
            diagnostics: diagnostics + expiryWarnings(),
            identities: certificates.identities,
            authorities: authority?.expiries.map {
                .init(name: $0.name, notAfter: $0.notAfter.timeIntervalSince1970.rounded())
            } ?? [],
            proxies: connections.values.sorted { $0.proxy.id < $1.proxy.id }.map { connection in
                ControlPlaneStatus.Proxy(
                    id: connection.proxy.id,
                    ackedGeneration: connection.acknowledged,
                    nacks: connection.rejections.map { "\($0.type.split(separator: ".").last ?? ""): \($0.message)" }
                )
            }
        )
    }

    /// Ends every stream, so that proxies know at once; they keep what they have and come back.
    package func stop() {
        for connection in connections.values { connection.sink.finish() }
        writeStatus()
    }

    /// Says once in the log, and in the status of now, what begins to be urgent although nothing else happens.
    private func warnOfExpiry() {
        let found = Set(expiryWarnings().map { "\($0.resource ?? "")" })
        guard found != warned else { return }
        for warning in expiryWarnings() where !warned.contains("\(warning.resource ?? "")") {
            log(warning.description)
        }
        warned = found
        writeStatus()
    }

    /// Certificates that should have been renewed, and authorities that end soon.
    private func expiryWarnings() -> [Diagnostic] {
        let moment = now().timeIntervalSince1970
        let place = SourceLocation(file: "certificates", line: 0, column: 0)
        var found = certificates.warnings(of: snapshot, now: now(), at: place)
        for authority in authority?.expiries ?? [] {
            let left = authority.notAfter.timeIntervalSince1970 - moment
            guard left < 30 * 86400 else { continue }
            found.append(
                Diagnostic(.warning, at: place, resource: authority.name, "ends in \(Int(left / 86400)) days"))
        }
        return found
    }

    private func writeStatus() {
        guard let path = options.statusPath else { return }
        do {
            try PrivateFile.write(status().json(), to: path)
        } catch {
            log("status is not written: \(error)")
        }
    }

    /// Reports of proxies come in bursts; one write stands for those of 50 milliseconds.
    private func writeStatusSoon() {
        guard !statusIsDue else { return }
        statusIsDue = true
        Task {
            try? await Task.sleep(for: .milliseconds(50))
            self.statusIsDue = false
            self.writeStatus()
        }
    }

    private func currentSnapshot() async -> MeshSnapshot? {
        while snapshot == nil {
            // Proxies that are faster than the first look at the files wait for it.
            await withCheckedContinuation { waiting.append($0) }
        }
        return snapshot
    }
}

extension ControlPlaneServer: DiscoverySource {
    package func connect(node: Envoy_Config_Core_V3_Node, credentials: PeerCredentials) async throws -> DiscoveryFeed {
        let proxy: ProxyIdentity
        do {
            proxy = try admission.admit(node, credentials, snapshot: snapshot, now: now())
        } catch {
            log("refused \(node.id): \(error)")
            throw error
        }
        guard await currentSnapshot() != nil else { throw DiscoveryRefusal.invalid("no configuration") }
        let (sets, sink) = AsyncStream<XDSTransport.ResourceSet>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let number = nextConnection
        nextConnection += 1
        connections[number] = Connection(proxy: proxy, sink: sink)
        deliver(to: number)
        log("connected \(proxy.id)")
        writeStatusSoon()
        return DiscoveryFeed(connection: number, sets: sets)
    }

    package func report(
        connection: Int, acknowledgedGeneration: Int, rejections: [DiscoverySession.Rejection]
    ) {
        guard var state = connections[connection] else { return }
        // A later generation that brought nothing new was not sent.
        let acknowledgedGeneration = max(acknowledgedGeneration, state.acknowledged)
        guard state.acknowledged != acknowledgedGeneration || state.rejections != rejections else { return }
        for rejection in rejections where !state.rejections.contains(rejection) {
            log("\(state.proxy.id) rejects \(rejection.type): \(rejection.message)")
        }
        state.acknowledged = acknowledgedGeneration
        state.rejections = rejections
        connections[connection] = state
        writeStatusSoon()
    }

    package func disconnect(connection: Int) {
        guard let state = connections.removeValue(forKey: connection) else { return }
        state.sink.finish()
        builder?.forget(state.proxy)
        if let snapshot, snapshot.workload(namespace: state.proxy.namespace, name: state.proxy.pod) == nil {
            certificates.forget(pod: "\(state.proxy.namespace)/\(state.proxy.pod)")
        }
        log("disconnected \(state.proxy.id)")
        writeStatusSoon()
    }
}

extension ControlPlaneServer: CertificateSource {
    package func sign(
        csr: String, lifetimeSeconds: Int64, credentials: PeerCredentials
    ) throws -> (chain: [String], nextToken: String?) {
        guard let authority, let key = options.tokenKey else {
            throw DiscoveryRefusal.invalid("this control plane signs no certificates")
        }
        let moment = now()
        guard let token = credentials.token else {
            return (try renew(csr, lifetimeSeconds, of: credentials.certifiedIdentity, authority, moment), nil)
        }
        let proof: WorkloadToken
        do {
            proof = try WorkloadToken.verify(token, audience: .ca, key: key, now: moment)
        } catch {
            log("certificate refused: \(error)")
            throw DiscoveryRefusal.unauthenticated("\(error)")
        }
        do {
            let identity = try SPIFFEID(
                trustDomain: options.trustDomain, namespace: proof.namespace, serviceAccount: proof.serviceAccount
            )
            let issued = try issue(csr, lifetimeSeconds, identity, authority, moment)
            // Only an answer that is going to be given costs the token, and the ledger knows before the answer leaves.
            do {
                try nonces.spend(proof, key: issued.keyDigest, now: moment)
                if let path = options.ledgerPath { try PrivateFile.write(nonces.text, to: path) }
            } catch {
                log("certificate refused: \(error)")
                throw DiscoveryRefusal.unauthenticated("\(error)")
            }
            let next = proof.successor(
                for: issued.keyDigest,
                // Good for the renewal, also when the control plane is away around the time of it.
                expires: issued.notAfter.addingTimeInterval(max(options.certificateLifetime, 3600)), key: key)
            note(issued, identity, pod: "\(proof.namespace)/\(proof.pod)", authority, moment)
            return (issued.chain, next.mint(key: key))
        } catch let refusal as DiscoveryRefusal {
            throw refusal
        } catch {
            log("certificate refused: \(error)")
            throw DiscoveryRefusal.invalid("\(error)")
        }
    }

    /// A certificate in the place of one that is still good: the handshake proved who asks.
    private func renew(
        _ csr: String, _ lifetimeSeconds: Int64, of certified: String?, _ authority: CertificateAuthority,
        _ moment: Date
    ) throws -> [String] {
        guard let certified else {
            throw DiscoveryRefusal.unauthenticated("a workload token (audience ca) or certificate is required")
        }
        do {
            let identity = try SPIFFEID(certified)
            guard identity.trustDomain == options.trustDomain else {
                throw IdentityError.malformedRequest(
                    "\(certified) is of another trust domain than \(options.trustDomain)")
            }
            let issued = try issue(csr, lifetimeSeconds, identity, authority, moment)
            note(issued, identity, pod: nil, authority, moment)
            return issued.chain
        } catch {
            log("certificate refused: \(error)")
            throw DiscoveryRefusal.invalid("\(error)")
        }
    }

    private func issue(
        _ csr: String, _ lifetimeSeconds: Int64, _ identity: SPIFFEID, _ authority: CertificateAuthority, _ moment: Date
    ) throws -> CertificateAuthority.Issued {
        let asked = lifetimeSeconds > 0 ? TimeInterval(lifetimeSeconds) : options.certificateLifetime
        return try authority.sign(
            requestPEM: csr, identity: identity, lifetime: min(asked, options.certificateLifetime), now: moment)
    }

    /// The audit trail: who got which certificate for how long, one line each; and what `martlet identity` shows.
    private func note(
        _ issued: CertificateAuthority.Issued, _ identity: SPIFFEID, pod: String?, _ authority: CertificateAuthority,
        _ moment: Date
    ) {
        log(
            "issued certificate serial=\(issued.serialNumber) identity=\(identity) "
                + (pod.map { "pod=\($0)" } ?? "for=certificate") + " notAfter=\(issued.notAfter.formatted(.iso8601))")
        guard let pod else { return }
        certificates.note(
            ControlPlaneStatus.Identity(
                pod: pod, identity: identity.description, serial: issued.serialNumber,
                issuedAt: moment.timeIntervalSince1970.rounded(),
                notAfter: issued.notAfter.timeIntervalSince1970.rounded(),
                chain: authority.chainNames))
        writeStatusSoon()
    }
}
