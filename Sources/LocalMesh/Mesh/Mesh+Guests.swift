import FoundationEssentials
import Glibc

extension Mesh {
    /// The pod called `name`, or the first one of the workload or service called so; `namespace/name` is exact.
    package func pod(called name: String) throws(LocalMeshError) -> Pod {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        let namespace = parts.count == 2 ? parts.first : nil
        let short = parts.last ?? name
        let candidates = entries.values.filter { namespace == nil || $0.status.namespace == namespace }
            .sorted { ($0.status.ready ? 0 : 1, $0.order) < ($1.status.ready ? 0 : 1, $1.order) }
        if let entry = candidates.first(where: { $0.status.name == short }) { return entry.pod }
        if let entry = candidates.first(where: { $0.status.workload == short }) { return entry.pod }
        let services = plan.services.filter { $0.name == short && (namespace == nil || $0.namespace == namespace) }
        if let entry = candidates.first(where: { entry in
            services.contains { $0.selects(entry.status.namespace, entry.status.labels) }
        }) {
            return entry.pod
        }
        if let entry = candidates.first(where: { $0.status.labels["app"] == short }) { return entry.pod }
        let known = entries.values.map { "\($0.status.namespace)/\($0.status.name)" }.sorted()
        throw .unknownWorkload(name: name, known: known)
    }

    /// Makes a pod for a process that is about to join. A service that does not exist is made for it.
    func join(_ guest: ControlRequest.Guest) async throws -> Pod {
        if let group = guest.group { return try await join(group, guest) }
        let known = plan.services.first { $0.name == guest.service && $0.namespace == guest.namespace }
        var labels = known?.selector ?? ["app": guest.service]
        labels.merge(guest.labels) { _, own in own }
        let workload = freeGuestName(guest.service, namespace: guest.namespace)
        let target =
            guest.port
            ?? known?.ports.first.flatMap { port in
                if case .number(let number) = port.target { number } else { nil }
            }
        if known == nil, let port = guest.port { try writeService(guest, port: port) }
        var template = PodTemplate(namespace: guest.namespace, workload: workload, labels: labels)
        template.serviceAccount = guest.serviceAccount ?? "default"
        template.sidecar = guest.sidecar
        template.isGuest = true
        template.gracePeriod = .seconds(5)
        if let target {
            template.containers = [
                PodTemplate.Container(
                    name: "guest",
                    ports: [WorkloadsFile.Port(name: "", number: target, protocol: "TCP")],
                    readiness: ReadinessProbe(.tcp(port: target))
                )
            ]
        }
        return try await addGuest(WorkloadPlan(template: template, replicas: 1, numbered: false))
    }

    /// A member of a WorkloadGroup: services find it by the group's labels.
    private func join(_ group: String, _ guest: ControlRequest.Guest) async throws -> Pod {
        // A manifest that was saved a moment ago is read within a second.
        let end = ContinuousClock.now + .seconds(3)
        while plan.groups["\(guest.namespace)/\(group)"] == nil, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(50))
        }
        guard var template = plan.groups["\(guest.namespace)/\(group)"] else {
            let known = plan.groups.keys.sorted().joined(separator: ", ")
            throw LocalMeshError.invalid(
                what: "WorkloadGroup \(guest.namespace)/\(group)",
                reason: known.isEmpty ? "the manifests have none" : "the manifests have \(known)")
        }
        template.workload = freeGuestName(group, namespace: guest.namespace)
        template.labels.merge(guest.labels) { $1 }
        if let account = guest.serviceAccount { template.serviceAccount = account }
        template.sidecar = guest.sidecar
        template.isGuest = true
        template.gracePeriod = .seconds(5)
        return try await addGuest(WorkloadPlan(template: template, replicas: 1, numbered: false))
    }

    func waitUntilProxyIsReady(_ pod: Pod, _ guest: ControlRequest.Guest, command: CommandHandle) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while true {
            let status = await pod.status
            if status.phase == .failed {
                throw LocalMeshError.notReady(what: pod.title, reason: status.message ?? "it failed")
            }
            if status.phase == .starting || status.phase == .running { return }
            if command.isAbandoned { throw CancellationError() }
            guard ContinuousClock.now < limit else {
                throw LocalMeshError.notReady(
                    what: pod.title, reason: status.message ?? "its proxy is not ready after 60 s")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func leave(_ pod: Pod, _ guest: ControlRequest.Guest) async {
        await removeGuest(pod)
        guard guest.group == nil else { return }
        // The last guest of a service takes it along.
        let others = guests.values.contains {
            $0.template.namespace == guest.namespace && $0.template.labels["app"] == guest.service
        }
        if !others { unlink(serviceFile(guest)) }
    }

    private func serviceFile(_ guest: ControlRequest.Guest) -> String {
        "\(options.state.guests)/\(guest.namespace)-\(guest.service).yaml"
    }

    private func writeService(_ guest: ControlRequest.Guest, port: UInt16) throws(LocalMeshError) {
        try Files.write(
            """
            apiVersion: v1
            kind: Service
            metadata:
              name: \(guest.service)
              namespace: \(guest.namespace)
            spec:
              selector:
                app: \(guest.service)
              ports:
                - name: http
                  port: \(port)
                  targetPort: \(port)

            """,
            to: serviceFile(guest)
        )
    }

    /// Starts a pod for `martlet run`; it is removed by `removeGuest`.
    func addGuest(_ plan: WorkloadPlan) async throws -> Pod {
        let key = plan.key
        guard wanted(key) == nil else {
            throw LocalMeshError.invalid(what: "workload \(key)", reason: "runs already")
        }
        guests[key] = plan
        guard let pod = start(plan.template, name: plan.template.workload) else {
            guests[key] = nil
            throw LocalMeshError.notReady(what: "\(key)", reason: "no pod address is left")
        }
        return pod
    }

    func removeGuest(_ pod: Pod) async {
        guests[WorkloadKey(namespace: pod.template.namespace, name: pod.template.workload)] = nil
        // Its process has ended, so nobody needs time to turn away; when this returns, the pod is gone.
        await stop(pod, drain: .milliseconds(50), grace: .seconds(2))
    }

    func freeGuestName(_ service: String, namespace: String) -> String {
        var number = 0
        while true {
            let name = "\(service)-run-\(number)"
            let key = WorkloadKey(namespace: namespace, name: name)
            if wanted(key) == nil, entries["\(namespace)/\(name)"] == nil { return name }
            number += 1
        }
    }
}
