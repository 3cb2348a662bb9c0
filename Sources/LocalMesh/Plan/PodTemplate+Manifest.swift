package import MeshAPI

extension WorkloadPlan {
    /// A workload as its manifest describes it.
    package init(_ workload: Workload, namespaceLabels: [String: String]) {
        let source = workload.template
        var template = PodTemplate(
            namespace: workload.metadata.namespace,
            workload: workload.metadata.name,
            labels: source.labels
        )
        template.annotations = source.annotations
        template.serviceAccount = source.spec.serviceAccountName
        template.sidecar = WorkloadLabels.wantsSidecar(
            labels: source.labels,
            annotations: source.annotations,
            namespaceLabels: namespaceLabels,
            hostNetwork: false
        )
        template.hold = !Self.doesNotHold(source.annotations)
        template.initContainers = source.spec.initContainers.filter { $0.restartPolicy != "Always" }
            .map(PodTemplate.Container.init)
        template.containers = source.spec.containers.map(PodTemplate.Container.init)
        // A native sidecar is an init container that keeps running.
        template.containers += source.spec.initContainers.filter { $0.restartPolicy == "Always" }
            .map(PodTemplate.Container.init)
        template.volumes = Dictionary(
            source.spec.volumes.map { ($0.name, PodTemplate.Volume($0.source)) },
            uniquingKeysWith: { first, _ in first }
        )
        template.gracePeriod = .seconds(source.spec.terminationGracePeriodSeconds)
        template.once = workload.kind == .job || source.spec.restartPolicy == "Never"
        self.init(template: template, replicas: workload.replicas, numbered: workload.kind != .pod)
    }

    /// `holdApplicationUntilProxyStarts: false` in the annotation proxy.istio.io/config.
    private static func doesNotHold(_ annotations: [String: String]) -> Bool {
        let text = annotations["proxy.istio.io/config"] ?? ""
        return text.split(separator: "\n").contains { line in
            let words = line.filter { $0 != " " && $0 != "\"" && $0 != "{" && $0 != "}" && $0 != "," }
            return words == "holdApplicationUntilProxyStarts:false"
        }
    }
}

extension LocalMesh.PodTemplate.Container {
    init(_ container: MeshAPI.Container) {
        self.init(
            name: container.name,
            image: container.image,
            command: container.command,
            arguments: container.args,
            directory: container.workingDirectory
        )
        ports = container.ports.compactMap { port in
            UInt16(exactly: port.number).map {
                WorkloadsFile.Port(name: port.name ?? "", number: $0, protocol: port.transport)
            }
        }
        environment =
            container.environmentFrom.map { source in
                let origin: LocalMesh.PodTemplate.Source
                switch source.origin {
                case .configMap(let name): origin = .init(kind: "ConfigMap", name: name)
                case .secret(let name): origin = .init(kind: "Secret", name: name)
                }
                return .all(prefix: source.prefix, source: origin, optional: source.isOptional)
            }
            + container.environment.map { variable in
                switch variable.value {
                case .literal(let value): .value(name: variable.name, value: value)
                case .field(let path): .field(name: variable.name, path: path)
                case .resource: .value(name: variable.name, value: "")
                case .configMap(let name, let key, let optional):
                    .key(
                        name: variable.name, source: .init(kind: "ConfigMap", name: name), key: key, optional: optional)
                case .secret(let name, let key, let optional):
                    .key(name: variable.name, source: .init(kind: "Secret", name: name), key: key, optional: optional)
                }
            }
        mounts = container.volumeMounts.map { .init(volume: $0.name, path: $0.mountPath, subPath: $0.subPath) }
        readiness = (container.readinessProbe ?? container.startupProbe).flatMap { probe(from: $0) }
    }

    func probe(from source: MeshAPI.Probe) -> ReadinessProbe? {
        func number(_ target: Service.Port.Target) -> UInt16? {
            switch target {
            case .number(let number): UInt16(exactly: number)
            case .name(let name): ports.first { $0.name == name }?.number
            }
        }
        let question: ReadinessProbe.Question?
        switch source.action {
        case .http(let path, let port, let scheme, let headers):
            // Without a TLS client here, an HTTPS probe asks whether the port is open.
            question = number(port).map {
                scheme == "HTTPS"
                    ? .tcp(port: $0) : .http(port: $0, path: path.hasPrefix("/") ? path : "/\(path)", headers: headers)
            }
        case .tcp(let port): question = number(port).map { .tcp(port: $0) }
        case .grpc(let port, _): question = UInt16(exactly: port).map { .tcp(port: $0) }
        case .command(let words): question = .command(words)
        case nil: question = nil
        }
        guard let question else { return nil }
        var probe = ReadinessProbe(question)
        probe.initialDelay = .seconds(source.initialDelaySeconds)
        probe.period = .seconds(max(1, source.periodSeconds))
        probe.timeout = .seconds(max(1, source.timeoutSeconds))
        probe.failureThreshold = max(1, source.failureThreshold)
        probe.successThreshold = max(1, source.successThreshold)
        return probe
    }
}

extension LocalMesh.PodTemplate.Volume {
    init(_ source: MeshAPI.Volume.Source) {
        switch source {
        case .emptyDir: self = .empty
        case .configMap(let name, let items, let optional):
            self = .files(source: .init(kind: "ConfigMap", name: name), items: items, optional: optional)
        case .secret(let name, let items, let optional):
            self = .files(source: .init(kind: "Secret", name: name), items: items, optional: optional)
        case .hostPath(let path): self = .host(path: path)
        case .unsupported: self = .empty
        }
    }
}
