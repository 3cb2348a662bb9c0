/// A set of alike pods: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, or one Pod.
package struct Workload: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case deployment = "Deployment"
        case statefulSet = "StatefulSet"
        case daemonSet = "DaemonSet"
        case replicaSet = "ReplicaSet"
        case replicationController = "ReplicationController"
        case job = "Job"
        case pod = "Pod"
    }

    package var kind: Kind
    package var metadata: ObjectMeta
    package var replicas: Int
    /// Labels by which the workload finds its pods; empty for pods and jobs.
    package var selector: [String: String]
    package var template: PodTemplate
    /// StatefulSet: the headless Service that names its pods.
    package var serviceName: String?

    init(_ kind: Kind, _ metadata: ObjectMeta, _ document: ObjectReader) {
        self.kind = kind
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        guard kind != .pod else {
            replicas = 1
            selector = [:]
            template = PodTemplate(
                labels: metadata.labels,
                annotations: metadata.annotations,
                location: metadata.location,
                spec: PodSpec(spec)
            )
            return
        }
        replicas = spec.int("replicas", in: 0...10_000) ?? 1
        serviceName = spec.string("serviceName")
        if kind == .replicationController {
            selector = spec.stringMap("selector")
        } else {
            let labels = spec.child("selector")
            selector = labels.stringMap("matchLabels")
            labels.notSupported("matchExpressions", "pods are found by matchLabels only")
        }
        template = PodTemplate(spec.child("template", required: true))
        if kind == .job {
            replicas = spec.int("parallelism", in: 0...10_000) ?? 1
            if let completions = spec.int("completions", in: 0...Int(Int32.max)), completions > 1 {
                spec.warning("completions", "not supported yet: every pod of the job is run once")
            }
        }
        if kind == .daemonSet {
            replicas = 1
            spec.warning(nil, "a DaemonSet runs as one pod: this machine is the only node")
        }
        if kind == .statefulSet {
            spec.notSupported("volumeClaimTemplates", "pods get no persistent volumes")
        }
        spec.accept(
            "minReadySeconds", "strategy", "updateStrategy", "revisionHistoryLimit", "paused",
            "progressDeadlineSeconds",
            "podManagementPolicy", "persistentVolumeClaimRetentionPolicy", "ordinals", "backoffLimit",
            "ttlSecondsAfterFinished", "activeDeadlineSeconds", "completionMode", "suspend", "podFailurePolicy",
            "manualSelector", "backoffLimitPerIndex", "maxFailedIndexes", "podReplacementPolicy"
        )
        if kind == .deployment || kind == .statefulSet || kind == .daemonSet || kind == .replicaSet { check(spec) }
    }

    private func check(_ spec: ObjectReader) {
        guard spec.has("selector") else {
            spec.error(nil, "selector is required: matchLabels with labels of the template")
            return
        }
        for (name, value) in selector.sorted(by: { $0.key < $1.key }) where template.labels[name] != value {
            spec.error("selector", "\(name)=\(value) does not match the labels of the template")
        }
    }
}

/// What each pod of a workload looks like.
package struct PodTemplate: Sendable, Equatable {
    package var labels: [String: String]
    package var annotations: [String: String]
    package var location: SourceLocation
    package var spec: PodSpec

    package init(
        labels: [String: String],
        annotations: [String: String],
        location: SourceLocation,
        spec: PodSpec
    ) {
        self.labels = labels
        self.annotations = annotations
        self.location = location
        self.spec = spec
    }

    init(_ reader: ObjectReader) {
        location = reader.location
        let metadata = reader.child("metadata")
        labels = metadata.stringMap("labels")
        annotations = metadata.stringMap("annotations")
        metadata.accept("name", "namespace", "creationTimestamp", "generateName", "finalizers")
        NameRules.checkLabels(labels, key: "labels", metadata)
        spec = PodSpec(reader.child("spec", required: true))
    }
}
