/// What a pod is made of, from whatever kind of resource it came.
package struct PodTemplate: Equatable, Sendable {
    package struct Container: Equatable, Sendable {
        package var name: String
        package var image: String
        package var command: [String]
        package var arguments: [String]
        package var environment: [EnvironmentEntry]
        package var ports: [WorkloadsFile.Port]
        package var readiness: ReadinessProbe?
        package var directory: String?
        package var mounts: [Mount]

        package init(
            name: String,
            image: String = "",
            command: [String] = [],
            arguments: [String] = [],
            environment: [EnvironmentEntry] = [],
            ports: [WorkloadsFile.Port] = [],
            readiness: ReadinessProbe? = nil,
            directory: String? = nil,
            mounts: [Mount] = []
        ) {
            self.name = name
            self.image = image
            self.command = command
            self.arguments = arguments
            self.environment = environment
            self.ports = ports
            self.readiness = readiness
            self.directory = directory
            self.mounts = mounts
        }
    }

    /// One line of env or envFrom.
    package enum EnvironmentEntry: Equatable, Sendable {
        case value(name: String, value: String)
        /// A fieldRef, such as `metadata.name`.
        case field(name: String, path: String)
        case key(name: String, source: Source, key: String, optional: Bool)
        case all(prefix: String, source: Source, optional: Bool)
    }

    package struct Source: Hashable, Sendable {
        /// `ConfigMap` or `Secret`.
        package var kind: String
        package var name: String

        package init(kind: String, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    package struct Mount: Equatable, Sendable {
        package var volume: String
        package var path: String
        package var subPath: String?

        package init(volume: String, path: String, subPath: String? = nil) {
            self.volume = volume
            self.path = path
            self.subPath = subPath
        }
    }

    package enum Volume: Equatable, Sendable {
        case empty
        /// Keys as files; `items` renames and selects.
        case files(source: Source, items: [String: String], optional: Bool)
        case host(path: String)
        /// A kind of volume that a local mesh has no meaning for.
        case unsupported(kind: String)
    }

    /// What a WorkloadGroup says about its members beyond a pod.
    package struct Place: Equatable, Sendable, Codable {
        /// `region/zone/subzone`
        package var locality: String?
        package var weight: Int?
        /// Numbers of services' ports by name.
        package var servicePorts: [String: Int] = [:]
    }

    package enum Kind: String, Sendable, Codable {
        case pod
        case gateway
    }

    package var kind: Kind = .pod
    package var namespace: String
    package var workload: String
    package var labels: [String: String]
    package var annotations: [String: String] = [:]
    package var serviceAccount: String = "default"
    package var sidecar = true
    package var hold = true
    package var initContainers: [Container] = []
    package var containers: [Container] = []
    package var volumes: [String: Volume] = [:]
    package var gracePeriod: Duration = .seconds(30)
    /// Of a gateway: the ports it takes from outside.
    package var gatewayPorts: [UInt16] = []
    /// Those of them that are open to the host.
    package var hostPorts: [UInt16] = []
    /// Of its proxy (ProxyConfig); nil is what holds for the mesh.
    package var proxyConcurrency: Int?
    /// Further variables of its proxy's environment.
    package var proxyEnvironment: [String: String] = [:]
    package var place: Place?
    /// A run that ends is not started again.
    package var once = false
    /// Its process is brought by `martlet run`; the pod starts none itself.
    package var isGuest = false

    package init(namespace: String, workload: String, labels: [String: String]) {
        self.namespace = namespace
        self.workload = workload
        self.labels = labels
    }

    package var ports: [WorkloadsFile.Port] { containers.flatMap(\.ports) }
}

/// How one asks a container whether it can take traffic.
package struct ReadinessProbe: Equatable, Sendable {
    package enum Question: Equatable, Sendable {
        case http(port: UInt16, path: String, headers: [String: String])
        case tcp(port: UInt16)
        case command([String])
    }

    package var question: Question
    package var initialDelay: Duration = .zero
    package var period: Duration = .seconds(10)
    package var timeout: Duration = .seconds(1)
    package var failureThreshold = 3
    package var successThreshold = 1

    package init(_ question: Question) {
        self.question = question
    }
}

/// A workload and how many pods it wants.
package struct WorkloadPlan: Equatable, Sendable {
    package var template: PodTemplate
    package var replicas: Int
    /// A single Pod is called what it is called; others have numbers.
    package var numbered: Bool

    package init(template: PodTemplate, replicas: Int, numbered: Bool = true) {
        self.template = template
        self.replicas = replicas
        self.numbered = numbered
    }

    package var key: WorkloadKey { WorkloadKey(namespace: template.namespace, name: template.workload) }
}

package struct WorkloadKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var namespace: String
    package var name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { "\(namespace)/\(name)" }

    package static func < (left: WorkloadKey, right: WorkloadKey) -> Bool {
        (left.namespace, left.name) < (right.namespace, right.name)
    }
}
