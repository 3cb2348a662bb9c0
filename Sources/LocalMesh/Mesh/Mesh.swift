import FoundationEssentials
import Glibc
import Synchronization

/// The mesh as it runs: makes the pods what the plan says, keeps the control plane alive, and tells both about each other.
package actor Mesh {
    package struct Options: Sendable {
        package var mesh: String
        package var state: StateDirectory
        package var executable: String
        /// Files and folders with configuration, absolute.
        package var configuration: [String]
        package var concurrency: Int
        package var proxyLogLevel: String
        package var environment: [EnvironmentVariable]
        package var images: ImageMap
        package var drain: Duration = .seconds(1)
        /// Further words of the control plane's command line.
        package var controlPlane: [String] = []
    }

    struct Entry {
        var pod: Pod
        var status: PodStatus
        var order: Int
    }

    let options: Options
    let children: ChildProcesses
    let door: HostDoor
    private let tokens: TokenMint
    private let network: PodNetwork
    private let log: Int32
    private let data = ConfigurationData()

    private(set) var plan = MeshPlan()
    /// Workloads that were added by `martlet run`, not by a file.
    var guests: [WorkloadKey: WorkloadPlan] = [:]
    private(set) var entries: [String: Entry] = [:]
    private var addresses = AddressPool()
    private var order = 0
    private var written: WorkloadsFile?
    /// When the list of workloads was last written, and which configuration was in force then.
    private(set) var published: (at: ContinuousClock.Instant, generation: Int) = (.now, 0)
    private(set) var events: [MeshView.Event] = []
    private var eventNumber = 0
    var rates = RequestRates()
    private(set) var isStopping = false
    var controlPlane = "starting"
    var controlPlaneProcess: Int32?
    var watchedUntil = ContinuousClock.now
    private(set) var isPlanned = false

    package init(
        options: Options,
        children: ChildProcesses,
        network: PodNetwork,
        tokens: TokenMint,
        door: HostDoor,
        log: Int32
    ) {
        self.options = options
        self.children = children
        self.network = network
        self.tokens = tokens
        self.door = door
        self.log = log
    }

    private lazy var context: PodContext = makeContext()

    private func makeContext() -> PodContext {
        let data = data
        let executable = options.executable
        let base = options.environment
        let door = door
        return PodContext(
            mesh: options.mesh,
            state: options.state,
            executable: executable,
            children: children,
            network: network,
            surroundings: ContainerCommand.Surroundings(
                data: { data.values($0, $1) },
                isRunnable: { word in
                    guard let path = try? Files.program(word, martlet: executable, environment: base) else {
                        return false
                    }
                    return access(path, X_OK) == 0
                },
                images: options.images,
                base: base
            ),
            tokens: tokens,
            concurrency: options.concurrency,
            proxyLogLevel: options.proxyLogLevel,
            ingress: { port in try door.listener(for: port).descriptor },
            hosts: { [weak self] in await self?.hosts() ?? HostsFile() },
            serviceRules: { [weak self] in await self?.serviceRules() ?? ServiceRules(services: []) },
            log: log
        )
    }

    // MARK: Plan

    package func apply(_ new: MeshPlan) async {
        guard !isStopping else { return }
        let servicesChanged = new.services != plan.services
        for problem in new.problems where !plan.problems.contains(problem) {
            note(problem.text, isError: problem.severity != "warning")
        }
        if isPlanned, new.problems.isEmpty, !plan.problems.isEmpty { note("the configuration is good again") }
        plan = new
        isPlanned = true
        data.set(new.data)
        var keys = Set(new.workloads.map(\.key))
        keys.formUnion(entries.values.map { WorkloadKey(namespace: $0.status.namespace, name: $0.status.workload) })
        for key in keys.sorted() { await reconcile(key) }
        publish()
        if servicesChanged { await refreshServices() }
    }

    func wanted(_ key: WorkloadKey) -> WorkloadPlan? {
        guests[key] ?? plan.workloads.first { $0.key == key }
    }

    private func reconcile(_ key: WorkloadKey) async {
        guard !isStopping else { return }
        let wanted = wanted(key)
        let own = entries.values
            .filter { $0.status.namespace == key.namespace && $0.status.workload == key.name }
            .sorted { $0.order < $1.order }
        let decision = RolloutDecision(
            workload: key.name,
            replicas: wanted?.replicas ?? 0,
            numbered: wanted?.numbered ?? true,
            present: own.filter { $0.status.phase != .terminating }.map {
                .init(name: $0.status.name, current: $0.pod.template == wanted?.template, ready: $0.status.ready)
            },
            taken: Set(own.map(\.status.name))
        )
        for name in decision.stop { stop(podNamed: "\(key.namespace)/\(name)") }
        if let wanted { for name in decision.start { start(wanted.template, name: name) } }
    }

    @discardableResult
    func start(_ template: PodTemplate, name: String) -> Pod? {
        guard let address = addresses.take() else {
            note("\(template.namespace)/\(name): no pod address is left", isError: true)
            return nil
        }
        let pod = Pod(template: template, name: name, address: address, context: context) { [weak self] status in
            await self?.changed(status)
        }
        order += 1
        let status = PodStatus(
            namespace: template.namespace,
            name: name,
            workload: template.workload,
            address: address.description,
            labels: template.labels,
            kind: template.kind,
            sidecar: template.sidecar
        )
        entries[pod.title] = Entry(pod: pod, status: status, order: order)
        publish()
        Task { await pod.start() }
        return pod
    }

    func stop(podNamed title: String) {
        guard let pod = entries[title]?.pod else { return }
        Task { await stop(pod, drain: options.drain, grace: pod.template.gracePeriod) }
    }

    func stop(_ pod: Pod, drain: Duration, grace: Duration) async {
        guard let entry = entries[pod.title], entry.status.phase != .terminating else { return }
        entries[pod.title]?.status.phase = .terminating
        publish()
        note("\(pod.title): stopping")
        await pod.stop(drain: drain, grace: grace)
        gone(pod)
    }

    private func gone(_ pod: Pod) {
        entries[pod.title] = nil
        rates.forget(pod.title)
        addresses.giveBack(pod.address)
        publish()
    }

    private func changed(_ status: PodStatus) async {
        let title = "\(status.namespace)/\(status.name)"
        guard let before = entries[title]?.status, status.revision > before.revision else { return }
        if before.phase == .terminating && status.phase != .terminating { return }
        entries[title]?.status = status
        if status.ready != before.ready { publish() }
        if status.ready && !before.ready { note("\(title): ready") }
        if before.ready && !status.ready && status.phase != .terminating {
            note("\(title): not ready\(status.message.map { ": \($0)" } ?? "")", isError: true)
        } else if let message = status.message, message != before.message {
            note("\(title): \(message)", isError: true)
        }
        if status.ready != before.ready {
            await reconcile(WorkloadKey(namespace: status.namespace, name: status.workload))
            await refreshServices()
        }
    }

    // MARK: What others read

    private func publish() {
        let workloads = entries.values.sorted { $0.order < $1.order }.map { entry in
            WorkloadsFile.Workload(
                entry.pod.template, name: entry.status.name, address: entry.status.address,
                isReady: entry.status.ready)
        }
        let file = WorkloadsFile(workloads: workloads)
        guard file != written else { return }
        do {
            try Files.write(try JSONText.encode(file), to: options.state.workloads)
            written = file
            published = (.now, generation)
        } catch {
            note("\(error)", isError: true)
        }
    }

    private func refreshServices() async {
        for entry in entries.values where !entry.pod.template.sidecar { await entry.pod.refreshServices() }
    }

    private func hosts() -> HostsFile {
        HostsFile(
            entries: plan.services.compactMap { service in
                service.address.map {
                    HostsFile.Entry(
                        address: $0,
                        names: HostsFile.names(of: service.name, in: service.namespace, seenFrom: service.namespace))
                }
            }
        )
    }

    private func serviceRules() -> ServiceRules {
        let ready = entries.values.filter(\.status.ready).sorted { $0.order < $1.order }
        return ServiceRules(
            services: plan.services.compactMap { service in
                guard let address = service.address else { return nil }
                let pods = ready.filter { service.selects($0.status.namespace, $0.status.labels) }
                return ServiceRules.Service(
                    address: address,
                    ports: service.ports.map { port in
                        ServiceRules.Port(
                            transport: port.transport,
                            number: port.number,
                            endpoints: pods.compactMap { entry in
                                Self.resolve(port.target, in: entry.pod.template).map {
                                    ServiceRules.Endpoint(address: entry.status.address, port: $0)
                                }
                            }
                        )
                    }
                )
            }
        )
    }

    private static func resolve(_ target: MeshPlan.Service.Target, in template: PodTemplate) -> UInt16? {
        switch target {
        case .number(let number): number
        case .name(let name): template.ports.first { $0.name == name }?.number
        }
    }

    /// What the control plane said last.
    var controlPlaneStatus: ControlPlaneStatus? {
        Files.data(options.state.status).flatMap { try? JSONText.decode(ControlPlaneStatus.self, from: $0) }
    }

    private var generation: Int { controlPlaneStatus?.generation ?? 0 }

    func note(_ text: String, isError: Bool = false) {
        // What fails again and again is said once.
        if isError, events.suffix(20).contains(where: { $0.text == text }) { return }
        eventNumber += 1
        events.append(MeshView.Event(number: eventNumber, text: text, isError: isError))
        if events.count > 200 { events.removeFirst(events.count - 200) }
    }

    // MARK: End

    /// Stops every process. What does not listen ends with this process, which is their process 1.
    package func stop() async {
        guard !isStopping else { return }
        isStopping = true
        note("stopping")
        await withTaskGroup(of: Void.self) { group in
            for entry in entries.values {
                group.addTask { await entry.pod.stop(drain: .zero, grace: .seconds(2)) }
            }
        }
        if let controlPlaneProcess { children.signal(controlPlaneProcess, SIGTERM) }
    }
}

/// ConfigMaps and Secrets, read by pods when they start their containers.
private final class ConfigurationData: Sendable {
    private let data = Mutex<[String: [String: String]]>([:])

    func set(_ new: [String: [String: String]]) {
        data.withLock { $0 = new }
    }

    func values(_ source: PodTemplate.Source, _ namespace: String) -> [String: String]? {
        data.withLock { $0[MeshPlan.dataKey(source, namespace)] }
    }
}
