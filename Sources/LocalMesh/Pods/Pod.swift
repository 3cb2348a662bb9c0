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
    var lives: [Task<Void, Never>] = []
    /// Processes by what they are: `proxy` or a container's name.
    var running: [String: Int32] = [:]
    /// Containers that have answered their probes.
    var answering: Set<String> = []
    private(set) var isStopping = false

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
            try await furnishUntilDone()
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

    /// What is missing now, such as a ConfigMap, may be there a moment later.
    private func furnishUntilDone() async throws {
        var backoff = RestartBackoff.application
        while true {
            if isStopping { throw CancellationError() }
            await set { $0.phase = .network }
            do {
                try await furnish()
                guard isStopping, let late = namespaces else { return }
                namespaces = nil
                late.release()
                throw CancellationError()
            } catch let error as LocalMeshError {
                await set {
                    $0.phase = .failed
                    $0.message = "\(error)"
                }
                try await Task.sleep(for: backoff.delay(afterRunOf: .zero))
            }
        }
    }

    private func furnish() async throws {
        let files = PodFiles(pod: self)
        try files.write(hosts: template.sidecar ? HostsFile() : await context.hosts())
        var rules: String?
        if template.kind == .pod {
            let text =
                template.sidecar
                ? try CaptureRules(annotations: template.annotations).text : await context.serviceRules().text
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
                answering.remove(container.name)
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
            path: try Files.program(
                command.words.first ?? "", martlet: context.executable, environment: command.environment),
            words: command.words,
            environment: command.environment,
            directory: command.directory,
            descriptors: [-1, log, log],
            namespaces: namespaces,
            dropCapabilities: true,
            // Keys and tokens of everybody lie there.
            hiddenFolder: context.state.path
        )
    }

    /// Starts a process of this pod and closes the log descriptors that the request brought.
    func launch(_ role: String, _ request: ChildProcesses.Request) throws -> Int32 {
        defer { for log in Set(request.descriptors.prefix(3)) where log >= 0 { close(log) } }
        guard !isStopping else { throw CancellationError() }
        let child = try context.children.start(request)
        running[role] = child
        return child
    }

    // MARK: Commands

    /// Runs a command inside the pod with the given descriptors, and with the container's environment under the given one.
    /// - Parameter isApplication: the pod's own, a guest's process, which may do what containers may. Other commands are the
    ///   mesh's owner's, who looks at the pod and changes its network; the control socket is open to no one else.
    package func execute(
        words: [String],
        environment own: [EnvironmentVariable],
        directory: String?,
        descriptors: [Int32],
        isApplication: Bool
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
                namespaces: namespaces,
                dropCapabilities: isApplication,
                hiddenFolder: isApplication ? context.state.path : nil
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
            // Packets that are still on their way get an answer, a reset, as long as there is a network to give it.
            Task {
                try? await Task.sleep(for: .seconds(3))
                namespaces.release()
            }
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

    func set(_ change: (inout PodStatus) -> Void) async {
        let before = status
        change(&status)
        if before.phase == .terminating { status.phase = .terminating }
        guard status != before else { return }
        status.revision += 1
        await changed(status)
    }
}
