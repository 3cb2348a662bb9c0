package import Proxy
package import XDS
package import XDSTransport

/// What serves the traffic.
package protocol DataPlane: Sendable {
    /// Swaps the configuration; connections go on.
    /// - Throws: when an address cannot be bound; then nothing has changed.
    func apply(_ snapshot: RuntimeSnapshot) async throws
}

/// Owns the proxy's configuration: what the bootstrap says, what the control plane sends, the workload's own secrets. It
/// keeps the discovery stream alive and the data plane on the last good configuration.
package actor ConfigurationAgent {
    package struct Statistics: Sendable {
        package var isConnected = false
        package var connections = 0
        package var updatesAccepted = 0
        package var updatesRejected = 0
        /// The last rejection of each type, until the type is accepted.
        package var rejections: [String: String] = [:]
        package var snapshots = 0
    }

    private let fixed: XDSResources
    private var state: DiscoveryState?
    private var warming = Warming()
    private var localSecrets: [String: ResourceStore.Secret] = [:]
    private let localSecretNames: Set<String>
    private var compiler: RuntimeCompiler
    private let dataPlane: any DataPlane
    private let onNameTable: @Sendable (ResourceStore.NameTable) -> Void
    /// Asks endpoints how they are, where clusters want that.
    package let checker: HealthChecker
    private var retry: Task<Void, Never>?
    /// For clusters whose endpoints are named.
    private var addresses: [NameQuestion: [String]] = [:]
    private var names = NameSchedule()
    /// Names of the bootstrap's clusters that have not been looked up for the first time, and how long that is waited for.
    private var unanswered: Set<NameQuestion>
    private let patience = ContinuousClock.now + .seconds(2)
    /// As compiled: what workers execute.
    package private(set) var runtime: RuntimeSnapshot?
    private var isApplying = false
    /// Who changed something while a snapshot was on its way to the workers.
    private var latecomers: [CheckedContinuation<Void, Never>] = []
    private var lastFailure: String?
    private var wasReady = false
    /// Why the last configuration is not in service (an address in use).
    private var applyFailure: String?
    package private(set) var statistics = Statistics()
    /// What the data plane executes.
    package private(set) var serving = XDSResources()

    /// - Parameters:
    ///   - fixed: the bootstrap's static resources.
    ///   - state: nil when there is no control plane.
    ///   - localSecretNames: secrets that come through `update(secrets:)`, not from the control plane.
    package init(
        fixed: XDSResources,
        state: DiscoveryState?,
        localSecretNames: Set<String>,
        compiler: RuntimeCompiler,
        dataPlane: any DataPlane,
        socketMark: UInt32 = 0,
        onNameTable: @escaping @Sendable (ResourceStore.NameTable) -> Void
    ) {
        self.fixed = fixed
        unanswered = fixed.clusters.values.reduce(into: []) { $0.formUnion(NamedEndpoints.questions(in: $1)) }
        self.state = state
        self.localSecretNames = localSecretNames
        self.compiler = compiler
        self.dataPlane = dataPlane
        checker = HealthChecker(mark: Int32(bitPattern: socketMark))
        self.onNameTable = onNameTable
    }

    /// Applies the static resources, unless there is a problem in them, which is the bootstrap's author's to mend.
    package func start() async -> [ResourceProblem] {
        func problems(_ resources: [Resource], _ type: String) -> [ResourceProblem] {
            resources.flatMap { resource in
                issues(in: resource).map { ResourceProblem(type: type, name: resource.name, reason: $0) }
            }
        }
        let found =
            fixed.repeated.map { ResourceProblem(type: "", name: "", reason: $0.description) }
            + problems(fixed.listeners.values.map { .listener($0) }, TypeURL.listener)
            + problems(fixed.clusters.values.map { .cluster($0) }, TypeURL.cluster)
            + problems(fixed.secrets.values.map { .secret($0) }, TypeURL.secret)
        guard found.isEmpty else { return found }
        await apply()
        return applyFailure.map { [ResourceProblem(type: TypeURL.listener, name: "", reason: $0)] } ?? []
    }

    /// What the data plane cannot honour in a resource.
    private func issues(in resource: Resource) -> [String] {
        let issues =
            switch resource {
            case .listener(let message): compiler.issues(in: message)
            case .cluster(let message): compiler.issues(in: message)
            case .route(let message): compiler.issues(in: message)
            case .endpoints(let message): compiler.issues(in: message)
            case .secret(let message): compiler.issues(in: message)
            case .nameTable: [CompileIssue]()
            }
        return issues.map(\.description)
    }

    /// Keeps a discovery stream open until the task is cancelled.
    package func discover(from client: DiscoveryClient, node: Envoy_Config_Core_V3_Node, token: String?) async {
        var backoff = Backoff(limit: .seconds(5))
        while !Task.isCancelled {
            let started = ContinuousClock.now
            do {
                try await stream(from: client, node: node, token: token)
                report(failure: "\(client.address) closed the stream")
            } catch {
                if !Task.isCancelled { report(failure: "no discovery stream to \(client.address): \(error)") }
            }
            statistics.isConnected = false
            if ContinuousClock.now - started > .seconds(5) { backoff.reset() }
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// Says once what fails again and again; each attempt is told at level debug.
    private func report(failure: String) {
        let text = failure + (state?.isComplete == true ? "; keeping the last good configuration" : "")
        if failure == lastFailure {
            Log.debug("xds", text)
        } else {
            Log.warning("xds", text + "; trying again")
        }
        lastFailure = failure
    }

    private func stream(from client: DiscoveryClient, node: Envoy_Config_Core_V3_Node, token: String?) async throws {
        guard let variant = state?.variant else { return }
        let first = state?.open() ?? []
        switch variant {
        case .delta:
            let (requests, sink) = AsyncStream<DiscoveryClient.DeltaRequest>.makeStream()
            for (index, request) in first.enumerated() { sink.yield(request.delta(node: index == 0 ? node : nil)) }
            defer { sink.finish() }
            try await client.delta(token: token, requests: requests) { [self] response in
                for request in await receive(DiscoveryState.Response(response)) { sink.yield(request.delta(node: nil)) }
            }
        case .stateOfTheWorld:
            let (requests, sink) = AsyncStream<DiscoveryClient.StreamRequest>.makeStream()
            for (index, request) in first.enumerated() {
                sink.yield(request.stateOfTheWorld(node: index == 0 ? node : nil))
            }
            defer { sink.finish() }
            try await client.stateOfTheWorld(token: token, requests: requests) { [self] response in
                for request in await receive(DiscoveryState.Response(response)) {
                    sink.yield(request.stateOfTheWorld(node: nil))
                }
            }
        }
    }

    /// Takes a response: checks it, applies what is good of it, returns what to answer.
    private func receive(_ response: DiscoveryState.Response) async -> [DiscoveryState.Request] {
        guard var state else { return [] }
        if !statistics.isConnected {
            statistics.isConnected = true
            lastFailure = nil
            statistics.connections += 1
            Log.info("xds", "connected to the control plane")
        }
        let kind = response.type.split(separator: ".").last.map(String.init) ?? response.type
        let tableBefore = state.store.nameTable?.version
        let outcome = state.receive(response, now: wallClockSeconds()) { issues(in: $0) }
        self.state = state
        if outcome.problems.isEmpty {
            statistics.updatesAccepted += 1
            statistics.rejections[response.type] = nil
            Log.debug(
                "xds",
                "\(kind): \(response.resources.count) received, \(response.removed.count) removed, version \(response.version)"
            )
        } else {
            statistics.updatesRejected += 1
            let text = outcome.problems.map(\.description).joined(separator: "; ")
            statistics.rejections[response.type] = text
            Log.error("xds", "refused \(kind) version \(response.version): \(text)")
        }
        if outcome.isChanged {
            if let table = state.store.nameTable, table.version != tableBefore { onNameTable(table.message) }
        }
        await apply()
        return outcome.requests
    }

    /// Puts the workload's own secrets in place; new handshakes use them.
    package func update(secrets: [ResourceStore.Secret]) async {
        for secret in secrets { localSecrets[secret.name] = secret }
        await apply()
    }

    /// Puts what is held now in force, one snapshot after the other: an older one must not land behind a newer. Returns
    /// when what was held at the call, or something newer, is in force or was refused.
    private func apply() async {
        guard !isApplying else {
            await withCheckedContinuation { latecomers.append($0) }
            return
        }
        isApplying = true
        await applyOnce()
        while !latecomers.isEmpty {
            let waiting = latecomers
            latecomers = []
            await applyOnce()
            for waiter in waiting { waiter.resume() }
        }
        isApplying = false
    }

    private func applyOnce() async {
        retry?.cancel()
        retry = nil
        var dynamic = XDSResources()
        if let state {
            let local = localSecrets
            let again = warming.advance(
                state.store, now: .now,
                isSettled: { state.isSettled($0, type: $1) },
                hasSecret: { name in
                    local[name] != nil
                        || (state.isSettled(name, type: TypeURL.secret) && !localSecretNames.contains(name))
                })
            dynamic = warming.resources(state.store)
            if let again { applyAgain(at: again) }
        }
        let unbound: [String]
        do {
            unbound = try await serve(merged(dynamic))
        } catch {
            Log.error("agent", "the configuration is not applied: \(error)")
            applyFailure = "\(error)"
            return
        }
        applyFailure = unbound.isEmpty ? nil : unbound.joined(separator: "; ")
        if !unbound.isEmpty, retry == nil { applyAgain(at: .now + Self.bindPause) }
        statistics.snapshots += 1
        if !wasReady, isReady {
            Log.info("agent", "ready: \(serving.listeners.count) listeners, \(serving.clusters.count) clusters")
        }
    }

    /// How long an address that could not be bound is left alone: somebody else has it, or the host has no such address.
    private static let bindPause = Duration.seconds(5)

    private func applyAgain(at time: ContinuousClock.Instant) {
        retry = Task { [weak self] in
            try? await Task.sleep(until: time)
            if !Task.isCancelled { await self?.apply() }
        }
    }

    /// Makes the data plane serve by `wanted`. A discovered listener whose address cannot be bound stays as it was, or away,
    /// and the rest is served; returns what was left out, and why. One of the bootstrap stops everything.
    private func serve(_ wanted: XDSResources) async throws -> [String] {
        var resources = wanted
        var failures: [String: String] = [:]
        while true {
            let snapshot = compiler.snapshot(from: resources)
            for failure in compiler.failures { Log.error("agent", failure) }
            await checker.follow(snapshot)
            do {
                try await dataPlane.apply(snapshot)
            } catch let error as ListenError where fixed.listeners[error.listener] == nil {
                guard resources.listeners[error.listener] != nil else { throw error }
                Log.error("agent", "\(error); the others are served")
                let isFirst = failures.updateValue("\(error)", forKey: error.listener) == nil
                resources.listeners[error.listener] = isFirst ? serving.listeners[error.listener] : nil
                continue
            }
            runtime = snapshot
            serving = resources
            return failures.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    /// Keeps the addresses of named endpoints up to date until the task is cancelled. A name that stops resolving keeps
    /// the addresses it had. A slow name does not keep the others waiting.
    package func resolveNames() async {
        while !Task.isCancelled {
            var wanted: [NameQuestion: NamePace] = [:]
            for cluster in Array(fixed.clusters.values) + (state?.store.clusters.values.map(\.message) ?? []) {
                let pace = NamePace(cluster)
                for question in NamedEndpoints.questions(in: cluster) {
                    wanted[question] = wanted[question]?.joined(pace) ?? pace
                }
            }
            addresses = addresses.filter { wanted[$0.key] != nil }
            names.follow(wanted, now: .now)
            for question in names.take(now: .now) {
                let respectsTTL = names.pace(question)?.respectsTTL == true
                Task { await self.resolve(question, respectsTTL: respectsTTL) }
            }
            try? await Task.sleep(for: names.wait(now: .now))
        }
    }

    private func resolve(_ question: NameQuestion, respectsTTL: Bool) async {
        let found = question.select(await SystemResolver.resolve(question.name))
        var ttl: Duration?
        if respectsTTL, let first = found.first {
            ttl = await TimeToLive.ask(question.name, v6: first.contains(":"))
        }
        names.answered(question, failed: found.isEmpty, ttl: ttl, now: .now)
        guard !found.isEmpty else {
            if addresses[question] == nil { Log.debug("agent", "\(question.name) does not resolve") }
            unanswered.remove(question)
            return
        }
        if addresses[question] != found, names.pace(question) != nil {
            addresses[question] = found
            await apply()
        }
        unanswered.remove(question)
    }

    /// Static resources first; the control plane may not replace them (Envoy refuses that too).
    private func merged(_ dynamic: XDSResources) -> XDSResources {
        var all = fixed
        all.listeners.merge(dynamic.listeners) { fixed, _ in fixed }
        all.clusters.merge(dynamic.clusters) { fixed, _ in fixed }
        all.routes.merge(dynamic.routes) { fixed, _ in fixed }
        all.assignments.merge(dynamic.assignments) { fixed, _ in fixed }
        all.secrets.merge(dynamic.secrets) { fixed, _ in fixed }
        all.secrets.merge(localSecrets) { _, local in local }
        all.clusters = all.clusters.mapValues { NamedEndpoints.resolved($0, addresses) }
        return all
    }

    /// Listeners and clusters have arrived and serve (or nothing is to come); stays true once it was.
    package var isReady: Bool {
        if !wasReady {
            wasReady =
                statistics.snapshots > 0 && (state.map { $0.isComplete && warming.isSettled } ?? true)
                && (unanswered.isEmpty || patience < .now)
        }
        return wasReady
    }

    /// What readiness waits for, for the probe's answer.
    package var missing: [String] {
        if isReady { return [] }
        if let applyFailure { return [applyFailure] }
        if !unanswered.isEmpty { return unanswered.map { "the address of \($0.name)" }.sorted() }
        guard let state else { return [] }
        if !statistics.isConnected { return ["the control plane is not reached"] }
        return state.isComplete ? warming.waiting : ["listeners and clusters have not arrived"]
    }

    package var held: ResourceStore { state?.store ?? ResourceStore() }
    package var own: XDSResources { fixed }
    package var workloadSecrets: [ResourceStore.Secret] { localSecrets.values.sorted { $0.name < $1.name } }
}
