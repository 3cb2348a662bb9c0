import ArgumentParser
import ControlPlane

/// `martlet simulate`: what a mesh of a size costs the control plane.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Measure the control plane with a mesh of services, pods and proxies in one process.",
        discussion: """
            Builds the snapshot and every proxy's configuration with the code that serves real proxies, runs each proxy's \
            discovery session up to the bytes on the wire, then changes one endpoint and one VirtualService and measures \
            how long it takes until every proxy that sees the service has answered, and what that costs.
            """
    )

    @Option(help: "Number of Services.")
    var services = 1000

    @Option(help: "Number of pods behind them.")
    var endpoints = 2000

    @Option(help: "Number of proxies; each is the sidecar of a pod.")
    var proxies = 2000

    @Option(help: "Number of namespaces; each has its share of everything.")
    var namespaces = 20

    @Option(help: "How often each change is made.")
    var rounds = 20

    @Flag(help: "Give each namespace a Sidecar resource that shows it its own services only.")
    var isolated = false

    func run() throws {
        var simulation = MeshSimulation(
            size: .init(
                services: max(1, services), endpoints: max(1, endpoints), proxies: max(1, proxies),
                namespaces: max(1, namespaces), isIsolated: isolated
            )
        )
        for line in simulation.run(rounds: max(1, rounds)) { print(line) }
    }
}
