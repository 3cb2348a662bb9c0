import Glibc

/// One pod: its namespaces, its proxy and its containers, from the first file to the last process.
///
/// Order of a start: files, namespaces with rules, proxy, proxy ready, init containers, containers, containers ready.
/// Order of an end: unready (clients turn away), containers asked to end, proxy asked to end, whatever is left killed.
package actor Pod {
    package nonisolated let template: PodTemplate
    package nonisolated let name: String
    package nonisolated let address: IPv4Address
    nonisolated let context: PodContext
    private let changed: @Sendable (PodStatus) async -> Void

    package private(set) var status: PodStatus
    private(set) var namespaces: PodNamespaces?
    /// The environment of the first container, for commands that are run beside it.
    private(set) var environment: [EnvironmentVariable] = []
    private var lives: [Task<Void, Never>] = []
    private var running: [String: Int32] = [:]
    private var isStopping = false

    package init(
        template: PodTemplate,
        name: String,
        address: IPv4Address,
        context: PodContext,
        changed: @escaping @Sendable (PodStatus) async -> Void
    ) {
        self.template = template
        self.name = name
        self.address = address
        self.context = context
        self.changed = changed
        status = PodStatus(
            namespace: template.namespace,
            name: name,
            workload: template.workload,
            address: address.description,
            labels: template.labels,
            kind: template.kind,
            sidecar: template.sidecar
        )
    }

    nonisolated var folder: String { context.state.pod(template.namespace, name) }
    nonisolated var title: String { "\(template.namespace)/\(name)" }
    var hasProxy: Bool { template.sidecar || template.kind == .gateway }

    // MARK: Start

    /// Brings the pod up and keeps it up. Returns when its containers have been started for the first time, or it cannot start.
    package func start() async {
        do {
            await set { $0.phase = .network }
            try await furnish()
            if hasProxy {
                await set { $0.phase = .proxy }
                lives.append(Task { await self.keepProxy() })
                if template.hold || template.kind == .gateway { try await waitForProxy() }
            }
            guard template.kind == .pod else { return await set { $0.phase = .running } }
            try await runInitContainers()
            guard !isStopping else { return }
            await set { $0.phase = .starting }
            // A guest's process comes from elsewhere and tells when it is there.
            guard !template.isGuest else { return }
            for container in template.containers {
                lives.append(Task { await self.keep(container) })
            }
            lives.append(Task { await self.watchReadiness() })
        } catch is CancellationError {
        } catch {
            await set {
                $0.phase = .failed
                $0.message = "\(error)"
            }
        }
    }

    private func furnish() async throws {
        let files = PodFiles(pod: self)
        try files.write(hosts: template.sidecar ? HostsFile() : await context.hosts())
        var rules: String?
        if template.kind == .pod {
            let text =
                template.sidecar ? try CaptureRules(annotations: template.annotations).text : await context.serviceRules().text
            try Files.write(text, to: files.rules)
            rules = files.rules
        }
        var volumes = PodVolumes(
            visible: [context.executable, context.state.path, Files.workingDirectory],
            folder: folder
        ) { [context, template] in context.surroundings.data($0, template.namespace) }
        try volumes.add(template)
        if !volumes.remarks.isEmpty {
            let remarks = volumes.remarks.joined(separator: "; ")
            await set { $0.message = remarks }
        }
        do {
            namespaces = try await context.network.makePod(
                name: name, address: address, mounts: files.mounts + volumes.mounts, rules: rules, log: context.log)
        } catch let error as LocalMeshError where !volumes.mounts.isEmpty {
            // A kernel that cannot layer folders for us still runs the pod.
            namespaces = try await context.network.makePod(
                name: name, address: address, mounts: files.mounts, rules: rules, log: context.log)
            await set { $0.message = "its volumes are not mounted: \(error)" }
        }
    }

    // MARK: Proxy

    private func keepProxy() async {
        var backoff = RestartBackoff.ours
        while !isStopping, !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let request = try proxyRequest()
                let child = try launch("proxy", request)
                let watch = Task { await self.watchProxy() }
                let exit = await context.children.end(of: child)
                watch.cancel()
                running["proxy"] = nil
                guard !isStopping else { return }
                await set {
                    $0.proxyReady = false
                    $0.proxyRestarts += 1
                    $0.message = "its proxy \(exit)"
                }
            } catch {
                await set { $0.message = "\(error)" }
            }
            let delay = backoff.delay(afterRunOf: begin.duration(to: .now))
            try? await Task.sleep(for: delay)
        }
    }

    private func proxyRequest() throws -> ChildProcesses.Request {
        let tokens = try context.tokens.mint(
            namespace: template.namespace, serviceAccount: template.serviceAccount, pod: name)
        let files = PodFiles(pod: self)
        try Files.write(try JSONText.encode(tokens), to: files.tokens, mode: 0o600)
        return try files.proxyRequest(namespaces: namespaces)
    }

    /// Follows the proxy's own word about itself as long as it runs.
    private func watchProxy() async {
        while !Task.isCancelled, !isStopping {
            let ready = await ask(port: 15021, path: "/healthz/ready", on: "127.0.0.1")
            guard !Task.isCancelled, !isStopping else { return }
            if ready != status.proxyReady {
                await set {
                    $0.proxyReady = ready
                    if ready { $0.message = nil }
                }
            }
            try? await Task.sleep(for: ready ? .seconds(1) : .milliseconds(50))
        }
    }

    private func waitForProxy() async throws {
        while !status.proxyReady {
            if isStopping { throw CancellationError() }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func ask(port: UInt16, path: String, on address: String) async -> Bool {
        guard let namespaces else { return false }
        let probe = Probe(namespaces: namespaces, address: address, port: port, timeout: .seconds(1))
        return await BackgroundThread.run { probe.get(path).map { (200..<400).contains($0.status) } ?? false }
    }

    // MARK: Containers

    private func runInitContainers() async throws {
        for container in template.initContainers {
            await set { $0.phase = .initializing }
            var backoff = RestartBackoff.application
            while true {
                if isStopping { throw CancellationError() }
                let begin = ContinuousClock.now
                let child = try launch(container.name, try request(for: container))
                let exit = await context.children.end(of: child)
                running[container.name] = nil
                if exit.succeeded { break }
                await set { $0.message = "init container \(container.name) \(exit)" }
                try await Task.sleep(for: backoff.delay(afterRunOf: begin.duration(to: .now)))
            }
        }
    }

    private func keep(_ container: PodTemplate.Container) async {
        var backoff = RestartBackoff.application
        while !isStopping, !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let child = try launch(container.name, try request(for: container))
                await set { if $0.phase != .running { $0.phase = .running } }
                let exit = await context.children.end(of: child)
                running[container.name] = nil
                guard !isStopping else { return }
                await set {
                    $0.applicationReady = false
                    $0.message = "container \(container.name) \(exit)"
                }
                Files.note(in: PodFiles(pod: self).applicationLog, "container \(container.name) \(exit)")
                if template.once {
                    return await set { $0.phase = .completed }
                }
            } catch {
                await set {
                    $0.applicationReady = false
                    $0.message = "\(error)"
                }
            }
            let delay = backoff.delay(afterRunOf: begin.duration(to: .now))
            await set {
                $0.applicationRestarts += 1
                $0.phase = .crashing
            }
            try? await Task.sleep(for: delay)
        }
    }

    private func request(for container: PodTemplate.Container) throws -> ChildProcesses.Request {
        let command = try ContainerCommand(
            container,
            template: template,
            pod: ContainerCommand.Pod(name: name, address: address.description),
            in: context.surroundings
        )
        if environment.isEmpty { environment = command.environment }
        let log = try Files.openLog(PodFiles(pod: self).applicationLog)
        return ChildProcesses.Request(
            path: try Files.program(command.words.first ?? "", martlet: context.executable, environment: command.environment),
            words: command.words,
            environment: command.environment,
            directory: command.directory,
            descriptors: [-1, log, log],
            namespaces: namespaces,
            dropCapabilities: true
        )
    }

    /// Starts a process of this pod and closes the log descriptors that the request brought.
    private func launch(_ role: String, _ request: ChildProcesses.Request) throws -> Int32 {
        defer { for log in Set(request.descriptors.prefix(3)) where log >= 0 { close(log) } }
        guard !isStopping else { throw CancellationError() }
        let child = try context.children.start(request)
        running[role] = child
        return child
    }

    // MARK: Readiness

    private func watchReadiness() async {
        await withTaskGroup(of: Void.self) { group in
            for container in template.containers {
                group.addTask { await self.watch(container) }
            }
        }
    }

    private var answering: Set<String> = []

    private func watch(_ container: PodTemplate.Container) async {
        let tcp = container.ports.first { $0.protocol == "TCP" }
        let declared = container.readiness
        guard let probe = declared ?? tcp.map({ ReadinessProbe(.tcp(port: $0.number)) }) else {
            return await watchProcess(container)
        }
        if declared != nil, probe.initialDelay > .zero { try? await Task.sleep(for: probe.initialDelay) }
        var failures = 0
        while !isStopping, !Task.isCancelled {
            let alive = running[container.name] != nil
            let answers = alive ? await isAnswered(probe, container) : false
            guard !isStopping else { return }
            // The process may have ended while it was being asked.
            if answers, running[container.name] != nil {
                failures = 0
                await setAnswering(container.name, true)
            } else {
                failures += 1
                if !alive || failures >= probe.failureThreshold { await setAnswering(container.name, false) }
            }
            // Until it is ready a second matters, later the declared period does.
            let pause: Duration = answering.contains(container.name) ? (declared == nil ? .seconds(1) : probe.period) : .milliseconds(100)
            try? await Task.sleep(for: min(pause, .seconds(1)))
        }
    }

    private func watchProcess(_ container: PodTemplate.Container) async {
        while !isStopping, !Task.isCancelled {
            await setAnswering(container.name, running[container.name] != nil)
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private func setAnswering(_ container: String, _ answers: Bool) async {
        if answers { answering.insert(container) } else { answering.remove(container) }
        let ready = answering.count == template.containers.count
        if ready != status.applicationReady {
            await set {
                $0.applicationReady = ready
                if ready { $0.phase = .running }
            }
        }
    }

    private func isAnswered(_ probe: ReadinessProbe, _ container: PodTemplate.Container) async -> Bool {
        guard let namespaces else { return false }
        let address = address.description
        let timeout = probe.timeout
        switch probe.question {
        case .tcp(let port):
            let probe = Probe(namespaces: namespaces, address: address, port: port, timeout: timeout)
            return await BackgroundThread.run { probe.accepts() }
        case .http(let port, let path, let headers):
            let probe = Probe(namespaces: namespaces, address: address, port: port, timeout: timeout)
            return await BackgroundThread.run {
                probe.get(path, headers: headers, limit: 1024).map { (200..<400).contains($0.status) } ?? false
            }
        case .command(let words):
            guard let path = try? Files.program(words.first ?? "", martlet: context.executable, environment: environment) else {
                return false
            }
            let request = ChildProcesses.Request(
                path: path, words: words, environment: environment, descriptors: [-1, -1, -1], namespaces: namespaces,
                dropCapabilities: true)
            guard let child = try? context.children.start(request) else { return false }
            let limit = Task { [context] in
                try await Task.sleep(for: timeout)
                context.children.signal(child, SIGKILL)
            }
            defer { limit.cancel() }
            return await context.children.end(of: child).succeeded
        }
    }

    // MARK: Commands

    /// Runs a command inside the pod with the given descriptors, and with the container's environment under the given one.
    package func execute(
        words: [String],
        environment own: [EnvironmentVariable],
        directory: String?,
        descriptors: [Int32]
    ) throws -> Int32 {
        guard let namespaces else { throw LocalMeshError.notReady(what: title, reason: "it has no network yet") }
        var all = environment.isEmpty ? context.surroundings.base : environment
        all += own
        return try context.children.start(
            ChildProcesses.Request(
                path: try Files.program(words.first ?? "", martlet: context.executable, environment: all),
                words: words,
                environment: all,
                directory: directory,
                descriptors: descriptors,
                namespaces: namespaces
            )
        )
    }

    /// A guest's process has been started: from now on its port tells whether it is ready.
    package func applicationStarted(port: UInt16?) async {
        await set { $0.phase = .running }
        guard !template.containers.isEmpty else { return await set { $0.applicationReady = true } }
        for container in template.containers { running[container.name] = 0 }
        lives.append(Task { await self.watchReadiness() })
    }

    /// Loads the present services into a pod that has no sidecar.
    package func refreshServices() async {
        guard !template.sidecar, template.kind == .pod, let namespaces else { return }
        let files = PodFiles(pod: self)
        do {
            let text = await context.serviceRules().text
            if Files.read(files.rules) != text {
                try Files.write(text, to: files.rules)
                try await context.network.load(rules: files.rules, into: namespaces, log: context.log)
            }
            try files.refresh(hosts: await context.hosts())
        } catch {
            await set { $0.message = "\(error)" }
        }
    }

    /// The text of the proxy's metrics; nil when it does not answer.
    package func metrics() async -> String? {
        guard hasProxy, let namespaces else { return nil }
        let probe = Probe(namespaces: namespaces, address: "127.0.0.1", port: 15090, timeout: .seconds(1))
        return await BackgroundThread.run { probe.get("/stats/prometheus")?.body }
    }

    // MARK: End

    /// - Parameter drain: how long clients get to learn that the pod goes, before it is asked to end.
    package func stop(drain: Duration, grace: Duration) async {
        guard status.phase != .terminating else { return }
        await set {
            $0.phase = .terminating
            $0.message = nil
        }
        try? await Task.sleep(for: drain)
        isStopping = true
        let proxy = running["proxy"]
        let containers = running.filter { $0.key != "proxy" && $0.value > 0 }.map(\.value)
        await end(containers, within: grace)
        if let proxy { await end([proxy], within: min(grace, .seconds(10))) }
        for life in lives { life.cancel() }
        if let namespaces {
            ProcessTable.kill(inNetworkNamespace: namespaces.net)
            self.namespaces = nil
            namespaces.release()
        }
    }

    private func end(_ children: [Int32], within grace: Duration) async {
        for child in children { context.children.signal(child, SIGTERM) }
        let limit = ContinuousClock.now.advanced(by: grace)
        while ContinuousClock.now < limit, children.contains(where: context.children.isAlive) {
            try? await Task.sleep(for: .milliseconds(20))
        }
        for child in children { context.children.signal(child, SIGKILL) }
        for child in children { _ = await context.children.end(of: child) }
    }

    private func set(_ change: (inout PodStatus) -> Void) async {
        let before = status
        change(&status)
        if before.phase == .terminating { status.phase = .terminating }
        if status != before { await changed(status) }
    }
}
