/// What the agent counts about itself, under the names that Envoy gives the same things.
struct AgentMetrics {
    var statistics: ConfigurationAgent.Statistics
    var uptime: Duration
    /// Until the first of the certificates that the proxy shows ends; below zero it has ended. Nil without certificates.
    var secondsUntilExpiry: Int64?

    private var values: [(name: String, kind: String, value: Int)] {
        var values: [(name: String, kind: String, value: Int)] = [
            ("control_plane.connected_state", "gauge", statistics.isConnected ? 1 : 0),
            ("control_plane.connections", "counter", statistics.connections),
            ("control_plane.update_rejected", "counter", statistics.updatesRejected),
            ("control_plane.update_success", "counter", statistics.updatesAccepted),
            ("server.snapshots_applied", "counter", statistics.snapshots),
            ("server.uptime", "gauge", Int(uptime.components.seconds)),
        ]
        if let seconds = secondsUntilExpiry {
            values.append(("server.days_until_first_cert_expiring", "gauge", Int(max(0, seconds) / 86_400)))
            values.append(("server.seconds_until_first_cert_expiring", "gauge", Int(seconds)))
        }
        return values
    }

    var lines: String { values.map { "\($0.name): \($0.value)\n" }.joined() }

    var prometheus: String {
        values.map { name, kind, value in
            let name = "envoy_" + String(name.map { $0 == "." ? "_" : $0 })
            return "# TYPE \(name) \(kind)\n\(name) \(value)\n"
        }.joined()
    }
}
