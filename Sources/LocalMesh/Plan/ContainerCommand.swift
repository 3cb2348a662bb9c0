/// A container's program as it is started here: words, environment and folder, all names replaced by values.
package struct ContainerCommand: Equatable, Sendable {
    package var words: [String]
    package var environment: [EnvironmentVariable]
    package var directory: String?

    /// What the pod knows about itself when its containers start.
    package struct Pod: Equatable, Sendable {
        package var name: String
        package var address: String
        package var node: String

        package init(name: String, address: String, node: String = "local") {
            self.name = name
            self.address = address
            self.node = node
        }
    }

    /// Where words and values are looked up.
    package struct Surroundings: Sendable {
        /// Data of ConfigMaps and Secrets by kind/namespace/name.
        package var data: @Sendable (PodTemplate.Source, _ namespace: String) -> [String: String]?
        /// Whether a container's first word can be started here.
        package var isRunnable: @Sendable (String) -> Bool
        package var images: ImageMap
        /// PATH, HOME and the like.
        package var base: [EnvironmentVariable]

        package init(
            data: @escaping @Sendable (PodTemplate.Source, _ namespace: String) -> [String: String]?,
            isRunnable: @escaping @Sendable (String) -> Bool,
            images: ImageMap,
            base: [EnvironmentVariable]
        ) {
            self.data = data
            self.isRunnable = isRunnable
            self.images = images
            self.base = base
        }
    }

    package init(
        _ container: PodTemplate.Container,
        template: PodTemplate,
        pod: Pod,
        in surroundings: Surroundings
    ) throws(LocalMeshError) {
        let where_ = "\(template.namespace)/\(pod.name) container \(container.name)"
        var values = Variables(surroundings.base)
        values.set("HOSTNAME", pod.name)
        for entry in container.environment {
            try values.add(entry, template: template, pod: pod, data: surroundings.data, wantedBy: where_)
        }
        let written = container.command.map { EnvironmentExpansion.kubernetes($0, values.byName) }
        let arguments = container.arguments.map { EnvironmentExpansion.kubernetes($0, values.byName) }

        if let first = written.first, surroundings.isRunnable(first) {
            words = written + arguments
            directory = container.directory
        } else if let entry = surroundings.images.entry(for: container.image), !entry.command.isEmpty {
            let names = Self.names(container, template: template, pod: pod, environment: values.byName)
            var expanded: [String] = []
            for word in entry.command { expanded.append(try EnvironmentExpansion.imageMap(word, names)) }
            if let own = entry.arguments {
                for word in own { expanded.append(try EnvironmentExpansion.imageMap(word, names)) }
            } else {
                expanded += arguments
            }
            for variable in entry.environment {
                values.set(variable.name, try EnvironmentExpansion.imageMap(variable.value, names))
            }
            words = expanded
            directory = try entry.directory.map { text throws(LocalMeshError) in
                try EnvironmentExpansion.imageMap(text, names)
            }
        } else {
            throw .noCommand(
                container: container.name,
                image: container.image,
                workload: "\(template.namespace)/\(template.workload)"
            )
        }
        environment = values.inOrder
    }

    /// The names that an image map may use.
    private static func names(
        _ container: PodTemplate.Container,
        template: PodTemplate,
        pod: Pod,
        environment: [String: String]
    ) -> [String: String] {
        let port = container.ports.first ?? template.ports.first
        var names = environment
        names["PORT"] = String(port?.number ?? 8080)
        names["containerPort"] = names["PORT"]
        names["NAME"] = WorkloadLabels.canonicalName(template.labels, workload: template.workload)
        names["VERSION"] = WorkloadLabels.canonicalRevision(template.labels)
        names["NAMESPACE"] = template.namespace
        names["WORKLOAD"] = template.workload
        names["CONTAINER"] = container.name
        names["IMAGE"] = container.image
        names["POD_NAME"] = pod.name
        names["POD_IP"] = pod.address
        names["SERVICE_ACCOUNT"] = template.serviceAccount
        return names
    }
}

/// Environment variables in order, the last of a name counts.
private struct Variables {
    private(set) var byName: [String: String] = [:]
    private var order: [String] = []

    init(_ base: [EnvironmentVariable]) {
        for variable in base { set(variable.name, variable.value) }
    }

    mutating func set(_ name: String, _ value: String) {
        if byName.updateValue(value, forKey: name) == nil { order.append(name) }
    }

    var inOrder: [EnvironmentVariable] { order.map { EnvironmentVariable($0, byName[$0] ?? "") } }

    mutating func add(
        _ entry: PodTemplate.EnvironmentEntry,
        template: PodTemplate,
        pod: ContainerCommand.Pod,
        data: (PodTemplate.Source, String) -> [String: String]?,
        wantedBy: String
    ) throws(LocalMeshError) {
        switch entry {
        case .value(let name, let value): set(name, EnvironmentExpansion.kubernetes(value, byName))
        case .field(let name, let path):
            guard let value = Self.field(path, template: template, pod: pod) else {
                throw .invalid(what: "\(wantedBy): env \(name)", reason: "fieldRef '\(path)' is not known here")
            }
            set(name, value)
        case .key(let name, let source, let key, let optional):
            if let value = data(source, template.namespace)?[key] {
                set(name, value)
            } else if !optional {
                throw .missingReference(kind: source.kind, name: source.name, key: key, wantedBy: wantedBy)
            }
        case .all(let prefix, let source, let optional):
            if let values = data(source, template.namespace) {
                for key in values.keys.sorted() { set(prefix + key, values[key] ?? "") }
            } else if !optional {
                throw .missingReference(kind: source.kind, name: source.name, key: nil, wantedBy: wantedBy)
            }
        }
    }

    private static func field(_ path: String, template: PodTemplate, pod: ContainerCommand.Pod) -> String? {
        switch path {
        case "metadata.name": return pod.name
        case "metadata.namespace": return template.namespace
        case "metadata.uid": return "\(template.namespace)-\(pod.name)"
        case "metadata.labels":
            return template.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(
                separator: "\n")
        case "spec.serviceAccountName": return template.serviceAccount
        case "spec.nodeName": return pod.node
        case "status.podIP", "status.podIPs": return pod.address
        case "status.hostIP": return AddressPool.bridge.description
        default:
            return subscripted(path, "metadata.labels").map { template.labels[$0] ?? "" }
                ?? subscripted(path, "metadata.annotations").map { template.annotations[$0] ?? "" }
        }
    }

    /// The `key` of `metadata.labels['key']`.
    private static func subscripted(_ path: String, _ family: String) -> String? {
        let opening = "\(family)['"
        guard path.hasPrefix(opening), path.hasSuffix("']"), path.count >= opening.count + 2 else { return nil }
        return String(path.dropFirst(opening.count).dropLast(2))
    }
}
