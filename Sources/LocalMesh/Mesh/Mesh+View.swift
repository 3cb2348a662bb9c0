import FoundationEssentials
import Glibc

extension Mesh {
    /// The mesh now, with what the control plane last said.
    package func view() -> MeshView {
        let said = controlPlaneStatus
        let pods = entries.values.sorted { $0.order < $1.order }.map(\.status)
        let proxies = Self.proxies(pods, said)
        var problems = plan.problems
        // Both sides read the same files; the same finding is said once.
        for problem in said?.errors ?? [] where !problems.contains(where: problem.hasPlace) { problems.append(problem) }
        return MeshView(
            mesh: options.mesh,
            process: getpid(),
            generation: said?.generation ?? 0,
            controlPlane: controlPlane,
            ready: isReady(pods) && isSettled(proxies, said),
            stopping: isStopping,
            pods: pods,
            services: plan.services.map { summary(of: $0, pods, said) }.sorted {
                ($0.namespace, $0.name) < ($1.namespace, $1.name)
            },
            gateways: door.open.map {
                MeshView.Gateway(
                    workload: gatewayName(for: $0.port),
                    port: $0.port,
                    hostPort: $0.hostPort,
                    url: "\($0.port == 443 ? "https" : "http")://127.0.0.1:\($0.hostPort)"
                )
            },
            problems: problems,
            proxies: proxies,
            rates: rates.perSecond,
            events: events
        )
    }

    private func gatewayName(for port: UInt16) -> String {
        entries.values.first { $0.pod.template.hostPorts.contains(port) }?.status.workload ?? "-"
    }

    /// All that was asked for takes traffic.
    private func isReady(_ pods: [PodStatus]) -> Bool {
        guard !isStopping, isPlanned, controlPlane == "running" else { return false }
        return plan.workloads.allSatisfy { wanted in
            let ready = pods.filter {
                $0.namespace == wanted.template.namespace && $0.workload == wanted.template.workload && $0.ready
            }
            return ready.count >= wanted.replicas
        }
    }

    /// The control plane has seen the pods as they are now, and every proxy has taken what it made of them.
    private func isSettled(_ proxies: [MeshView.Proxy], _ said: ControlPlaneStatus?) -> Bool {
        guard proxies.allSatisfy({ $0.state == "synced" || $0.state == "rejected" }) else { return false }
        let age = published.at.duration(to: .now)
        // Two writes close together may make one configuration; no new one comes where a write changed nothing for it.
        return age > .seconds(2) || ((said?.generation ?? 0) > published.generation && age > .milliseconds(150))
    }

    private func summary(
        of service: MeshPlan.Service,
        _ pods: [PodStatus],
        _ said: ControlPlaneStatus?
    ) -> MeshView.Service {
        let own = pods.filter { service.selects($0.namespace, $0.labels) && $0.phase != .terminating }
        let versions = Set(own.map { WorkloadLabels.canonicalRevision($0.labels) }).sorted()
        let measured = own.compactMap { rates.perSecond["\($0.namespace)/\($0.name)"] }
        return MeshView.Service(
            namespace: service.namespace,
            name: service.name,
            versions: versions,
            ready: own.filter(\.ready).count,
            total: own.count,
            mtls: said?.services?.first { $0.host == service.host }?.mtls ?? "-",
            ports: service.ports.map(\.number),
            rate: measured.isEmpty ? nil : measured.reduce(0, +)
        )
    }

    private static func proxies(_ pods: [PodStatus], _ said: ControlPlaneStatus?) -> [MeshView.Proxy] {
        pods.filter { $0.sidecar || $0.kind == .gateway }.map { pod in
            let name = "\(pod.name).\(pod.namespace)"
            guard
                let proxy = said?.proxies?.first(where: {
                    $0.id.split(separator: "~").dropFirst(2).first.map(String.init) == name
                })
            else { return MeshView.Proxy(pod: "\(pod.namespace)/\(pod.name)", state: "not connected", nacks: []) }
            let nacks = proxy.nacks ?? []
            let state: String
            if !nacks.isEmpty {
                state = "rejected"
            } else if (proxy.ackedGeneration ?? 0) >= (said?.generation ?? 0) {
                state = "synced"
            } else {
                state = "stale"
            }
            return MeshView.Proxy(pod: "\(pod.namespace)/\(pod.name)", state: state, nacks: nacks)
        }
    }
}
