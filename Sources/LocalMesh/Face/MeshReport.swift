/// A snapshot of the mesh in words: the same for `martlet status`, for plain output and for the screen.
package struct MeshReport: Sendable {
    package var snapshot: MeshView

    package init(_ snapshot: MeshView) {
        self.snapshot = snapshot
    }

    /// One line for each service.
    package func services(withRates: Bool) -> [String] {
        let severalNamespaces = Set(snapshot.services.map(\.namespace)).count > 1
        var table = TextTable(
            header: ["SERVICE", "VERSIONS", "READY", "MTLS", "PORTS"] + (withRates ? ["REQ/S"] : []) + ["URL"])
        for service in snapshot.services {
            var row = [
                severalNamespaces ? "\(service.name).\(service.namespace)" : service.name,
                service.versions.isEmpty ? "-" : service.versions.joined(separator: ", "),
                "\(service.ready)/\(service.total)",
                service.mtls,
                service.ports.map(String.init).joined(separator: ", "),
            ]
            if withRates { row.append(service.rate.map(Self.rate) ?? "-") }
            row.append(service.ports.first.map { "http://\(service.name).\(service.namespace):\($0)" } ?? "-")
            table.add(row)
        }
        for gateway in snapshot.gateways {
            let pods = snapshot.pods.filter { $0.kind == .gateway && $0.workload == gateway.workload }
            var row = [
                gateway.workload, "gateway", "\(pods.filter(\.ready).count)/\(pods.count)", "-",
                "\(gateway.port) -> \(gateway.hostPort)",
            ]
            if withRates {
                let rates = pods.compactMap { snapshot.rates["\($0.namespace)/\($0.name)"] }
                row.append(rates.isEmpty ? "-" : Self.rate(rates.reduce(0, +)))
            }
            row.append(gateway.url)
            table.add(row)
        }
        return table.lines
    }

    /// One line for each pod.
    package func pods() -> [String] {
        var table = TextTable(header: ["POD", "STATE", "READY", "RESTARTS", "PROXY", "SYNC", "ADDRESS", ""])
        for pod in snapshot.pods {
            let title = "\(pod.namespace)/\(pod.name)"
            let hasProxy = pod.sidecar || pod.kind == .gateway
            let sync = snapshot.proxies.first { $0.pod == title }?.state ?? "-"
            table.add([
                title, pod.phase.rawValue, pod.ready ? "yes" : "no",
                String(pod.applicationRestarts + pod.proxyRestarts),
                hasProxy ? (pod.proxyReady ? "ready" : "not ready") : "none", sync, pod.address,
                pod.ready ? "" : pod.message ?? "",
            ])
        }
        return table.lines
    }

    package func problems() -> [String] {
        snapshot.problems.map(\.text)
            + snapshot.proxies.flatMap { proxy in proxy.nacks.map { "\(proxy.pod) refused: \($0)" } }
    }

    /// `mesh 'default': ready, 12 of 12 pods, configuration 3`
    package var headline: String {
        let ready = snapshot.pods.filter(\.ready).count
        let state = snapshot.stopping ? "stopping" : snapshot.ready ? "ready" : "starting"
        return
            "mesh '\(snapshot.mesh)': \(state), \(ready) of \(snapshot.pods.count) pods ready, configuration \(snapshot.generation),"
            + " control plane \(snapshot.controlPlane)"
    }

    /// Everything.
    package func lines(withRates: Bool) -> [String] {
        var lines = [headline, ""] + services(withRates: withRates) + [""] + pods()
        let problems = problems()
        if !problems.isEmpty { lines += [""] + problems }
        return lines
    }

    static func rate(_ value: Double) -> String {
        if value >= 100 { return String(Int(value.rounded())) }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
