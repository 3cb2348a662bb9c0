/// What should run: the workloads and services that the manifests describe.
package struct MeshPlan: Equatable, Sendable {
    package struct Service: Equatable, Sendable {
        package struct Port: Equatable, Sendable {
            package var name: String
            package var number: UInt16
            /// A number, or the name of a container's port.
            package var target: Target
            /// tcp or udp.
            package var transport: String

            package init(name: String, number: UInt16, target: Target, transport: String) {
                self.name = name
                self.number = number
                self.target = target
                self.transport = transport
            }
        }

        package enum Target: Equatable, Sendable {
            case number(UInt16)
            case name(String)
        }

        package var namespace: String
        package var name: String
        /// nil: none, as of a headless service.
        package var address: String?
        package var selector: [String: String]
        package var ports: [Port]

        package init(namespace: String, name: String, address: String?, selector: [String: String], ports: [Port]) {
            self.namespace = namespace
            self.name = name
            self.address = address
            self.selector = selector
            self.ports = ports
        }

        package var host: String { "\(name).\(namespace).svc.cluster.local" }

        package func selects(_ namespace: String, _ labels: [String: String]) -> Bool {
            !selector.isEmpty && namespace == self.namespace && selector.allSatisfy { labels[$0.key] == $0.value }
        }
    }

    package var workloads: [WorkloadPlan]
    package var services: [Service]
    /// Data of ConfigMaps and Secrets by `kind/namespace/name`.
    package var data: [String: [String: String]]
    /// What processes that join a WorkloadGroup are like, by `namespace/name`.
    package var groups: [String: PodTemplate] = [:]
    /// What is wrong with the files; the rest of the plan is then the last good one.
    package var problems: [ControlPlaneStatus.Problem]

    package init(
        workloads: [WorkloadPlan] = [],
        services: [Service] = [],
        data: [String: [String: String]] = [:],
        problems: [ControlPlaneStatus.Problem] = []
    ) {
        self.workloads = workloads
        self.services = services
        self.data = data
        self.problems = problems
    }

    package static func dataKey(_ source: PodTemplate.Source, _ namespace: String) -> String {
        "\(source.kind)/\(namespace)/\(source.name)"
    }
}
