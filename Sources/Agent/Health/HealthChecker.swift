import EventLoop
package import Proxy
import Resilience

/// Checks the endpoints of all clusters that ask for it, and writes what it finds into their `EndpointHealth`, which the
/// workers read. One task an endpoint; what is known about an endpoint outlives changes of the configuration.
package actor HealthChecker {
    private struct Key: Hashable {
        var cluster: String
        var address: SocketAddress
    }

    /// Counters of a cluster, under Envoy's names.
    package struct Counters: Sendable {
        package var attempts = 0
        package var successes = 0
        package var failures = 0
        package var healthy = 0
    }

    private struct Target {
        var descriptor: ClusterDescriptor
        var host: Int
        var policy: HealthCheckPolicy
        var probe: HealthProbe
    }

    private let mark: Int32
    private var targets: [Key: Target] = [:]
    private var states: [Key: HealthCheckState] = [:]
    private var tasks: [Key: Task<Void, Never>] = [:]
    private var counters: [String: Counters] = [:]

    package init(mark: Int32) { self.mark = mark }

    /// Follows a configuration. Waits, for a moment, until endpoints of clusters that are new have been asked once, so that
    /// requests do not find a cluster where nobody has been found healthy yet.
    package func follow(_ snapshot: RuntimeSnapshot) async {
        var wanted: [Key: Target] = [:]
        for descriptor in snapshot.clusters.compactMap({ $0 }) {
            guard let policy = descriptor.options.healthChecks.first else { continue }
            for (host, endpoint) in descriptor.endpoints.enumerated() {
                guard !endpoint.isCheckDisabled else {
                    _ = descriptor.health.checked(host, isHealthy: true)
                    continue
                }
                let key = Key(cluster: descriptor.name, address: endpoint.address)
                wanted[key] = Target(
                    descriptor: descriptor, host: host, policy: policy,
                    probe: probe(policy, descriptor, endpoint, snapshot))
            }
        }
        for (key, task) in tasks where wanted[key] == nil {
            task.cancel()
            tasks[key] = nil
            states[key] = nil
        }
        var fresh: [Key] = []
        for (key, target) in wanted {
            if let state = states[key], !state.isPending, targets[key]?.descriptor !== target.descriptor {
                _ = target.descriptor.health.checked(target.host, isHealthy: state.isHealthy)
            }
            if tasks[key] == nil { fresh.append(key) }
        }
        targets = wanted
        for key in fresh {
            states[key] = HealthCheckState()
            tasks[key] = Task { [weak self] in await self?.watch(key) }
        }
        let limit = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < limit, fresh.contains(where: { states[$0]?.isPending == true }) {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func probe(
        _ policy: HealthCheckPolicy, _ cluster: ClusterDescriptor, _ endpoint: EndpointDescriptor,
        _ snapshot: RuntimeSnapshot
    ) -> HealthProbe {
        var probe = HealthProbe(
            policy: policy, address: endpoint.checkAddress ?? endpoint.address,
            authority: endpoint.checkHost.isEmpty ? cluster.name : endpoint.checkHost)
        probe.mark = mark
        if let tls = endpoint.tls {
            probe.isTLS = true
            probe.serverName = tls.serverName
            if let number = tls.context, number < snapshot.tlsContexts.count {
                probe.tls = snapshot.tlsContexts[number]
            }
        }
        return probe
    }

    private func watch(_ key: Key) async {
        if let policy = targets[key]?.policy {
            let delay = HealthCheckState.firstDelay(policy, random: .random(in: .min ... .max))
            if delay > 0 { try? await Task.sleep(for: .milliseconds(delay)) }
        }
        while !Task.isCancelled, let target = targets[key] {
            let result = await target.probe.run()
            guard !Task.isCancelled, let current = targets[key] else { return }
            let delay = receive(result, key, current)
            try? await Task.sleep(for: .milliseconds(delay))
        }
    }

    private func receive(_ result: HealthCheckResult, _ key: Key, _ target: Target) -> UInt64 {
        var state = states[key] ?? HealthCheckState()
        let wasPending = state.isPending
        let wasHealthy = state.isHealthy
        let changed = state.receive(result, target.policy)
        states[key] = state
        counters[key.cluster, default: Counters()].attempts += 1
        if result == .success {
            counters[key.cluster, default: Counters()].successes += 1
        } else {
            counters[key.cluster, default: Counters()].failures += 1
        }
        if changed {
            _ = target.descriptor.health.checked(target.host, isHealthy: state.isHealthy)
            if state.isHealthy != wasHealthy || wasPending {
                Log.info(
                    "health", "\(key.cluster): \(key.address) is \(state.isHealthy ? "healthy" : "unhealthy")")
            }
        } else if state.isHealthy {
            // A passed check brings an ejected endpoint back.
            if !target.descriptor.health.isHealthy(target.host) {
                _ = target.descriptor.health.checked(target.host, isHealthy: true)
            }
        }
        return state.nextDelay(
            target.policy, hasTraffic: target.descriptor.health.hasTraffic, random: .random(in: .min ... .max))
    }

    /// Envoy's `cluster.NAME.health_check.*` lines.
    package func lines() -> String {
        var text = ""
        for (name, var counter) in counters.sorted(by: { $0.key < $1.key }) {
            counter.healthy = states.count { $0.key.cluster == name && $0.value.isHealthy }
            text += "cluster.\(name).health_check.attempt: \(counter.attempts)\n"
            text += "cluster.\(name).health_check.success: \(counter.successes)\n"
            text += "cluster.\(name).health_check.failure: \(counter.failures)\n"
            text += "cluster.\(name).health_check.healthy: \(counter.healthy)\n"
        }
        return text
    }
}
