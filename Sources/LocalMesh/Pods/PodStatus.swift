/// What can be said of a pod from outside.
package struct PodStatus: Codable, Equatable, Sendable {
    package enum Phase: String, Codable, Sendable {
        case pending = "Pending"
        case network = "Network"
        case proxy = "ProxyStarting"
        case initializing = "Init"
        case starting = "Starting"
        case running = "Running"
        case crashing = "CrashLoopBackOff"
        case completed = "Completed"
        case failed = "Failed"
        case terminating = "Terminating"
    }

    package var namespace: String
    package var name: String
    package var workload: String
    package var address: String
    package var labels: [String: String]
    package var kind: PodTemplate.Kind
    package var sidecar: Bool
    package var phase: Phase = .pending
    package var proxyReady = false
    package var applicationReady = false
    package var applicationRestarts = 0
    package var proxyRestarts = 0
    /// Why it is not as it should be.
    package var message: String?

    /// Counts up with every change: reports that cross each other on the way can be told apart.
    package var revision = 0

    /// Whether it may take traffic.
    package var ready: Bool {
        guard phase != .terminating, phase != .failed else { return false }
        switch kind {
        case .gateway: return proxyReady
        case .pod: return applicationReady && (proxyReady || !sidecar)
        }
    }
}
