/// The containers of a pod and what they share.
package struct PodSpec: Sendable, Equatable {
    package var location: SourceLocation
    package var containers: [Container]
    package var initContainers: [Container]
    /// `default` when none is given.
    package var serviceAccountName: String
    package var volumes: [Volume]
    package var hostname: String?
    /// `Always`, `OnFailure` or `Never`.
    package var restartPolicy: String
    package var terminationGracePeriodSeconds: Int
    package var hostAliases: [HostAlias]

    package struct HostAlias: ObjectDecodable {
        package var ip: String
        package var hostnames: [String]

        package init(_ reader: ObjectReader) {
            ip = reader.requiredString("ip")
            hostnames = reader.strings("hostnames")
        }
    }

    init(_ reader: ObjectReader) {
        location = reader.location
        containers = reader.objects("containers")
        initContainers = reader.objects("initContainers")
        let account = reader.string("serviceAccountName") ?? reader.string("serviceAccount") ?? ""
        serviceAccountName = account.isEmpty ? "default" : account
        volumes = reader.objects("volumes")
        hostname = reader.string("hostname")
        restartPolicy = reader.string("restartPolicy") ?? "Always"
        terminationGracePeriodSeconds = reader.int("terminationGracePeriodSeconds", in: 0...Int(Int32.max)) ?? 30
        hostAliases = reader.objects("hostAliases")
        if containers.isEmpty { reader.error(nil, "containers is required: at least one container") }
        var names: Set<String> = []
        for container in containers + initContainers where !names.insert(container.name).inserted {
            reader.error("containers", "container name \"\(container.name)\" is given twice")
        }
        if reader.bool("hostNetwork") == true {
            reader.warning("hostNetwork", "not supported, ignored: the pod gets its own network and a sidecar")
        }
        for key in ["hostPID", "hostIPC", "shareProcessNamespace"] where reader.bool(key) == true {
            reader.warning(key, "not supported, ignored: processes of a pod run as processes of this machine")
        }
        reader.accept(
            "serviceAccount", "securityContext", "imagePullSecrets", "nodeSelector", "affinity", "tolerations",
            "nodeName",
            "schedulerName", "priorityClassName", "priority", "preemptionPolicy", "topologySpreadConstraints",
            "dnsPolicy",
            "enableServiceLinks", "automountServiceAccountToken", "activeDeadlineSeconds", "runtimeClassName",
            "overhead",
            "readinessGates", "setHostnameAsFQDN", "os", "schedulingGates", "hostUsers", "resourceClaims", "resources"
        )
        reader.notSupported("dnsConfig", "names resolve as in the mesh")
        reader.notSupported("subdomain", "the pod has no DNS name of its own")
        reader.notSupported("ephemeralContainers")
    }
}

/// Where files of a container come from.
package struct Volume: ObjectDecodable {
    package enum Source: Sendable, Equatable {
        case emptyDir
        /// Keys of the ConfigMap become files; `items` maps key to path, empty means all keys.
        case configMap(name: String, items: [String: String], optional: Bool)
        case secret(name: String, items: [String: String], optional: Bool)
        case hostPath(String)
        /// A kind of volume that is not there on this machine.
        case unsupported(String)
    }

    package var location: SourceLocation
    package var name: String
    package var source: Source

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.requiredString("name")
        if reader.has("configMap") {
            source = Self.files(reader.child("configMap"), nameKey: "name", Source.configMap)
        } else if reader.has("secret") {
            source = Self.files(reader.child("secret"), nameKey: "secretName", Source.secret)
        } else if reader.has("hostPath") {
            let path = reader.child("hostPath")
            source = .hostPath(path.requiredString("path"))
            path.accept("type")
        } else if reader.has("emptyDir") || reader.keys == ["name"] {
            source = .emptyDir
        } else {
            let kind = reader.keys.first { $0 != "name" } ?? ""
            source = .unsupported(kind)
            reader.accept(kind)
            reader.warning(kind, "volumes of this kind are not supported yet: an empty folder is used")
        }
    }

    private static func files(
        _ reader: ObjectReader,
        nameKey: String,
        _ make: (String, [String: String], Bool) -> Source
    ) -> Source {
        let items = reader.objects("items", KeyToPath.self)
        reader.accept("defaultMode")
        let paths = Dictionary(items.map { ($0.key, $0.path) }) { first, _ in first }
        return make(reader.requiredString(nameKey), paths, reader.bool("optional") ?? false)
    }

    private struct KeyToPath: ObjectDecodable {
        var key: String
        var path: String

        init(_ reader: ObjectReader) {
            key = reader.requiredString("key")
            path = reader.requiredString("path")
            reader.accept("mode")
        }
    }
}
