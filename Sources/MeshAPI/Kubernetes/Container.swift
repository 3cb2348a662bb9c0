/// One process of a pod.
package struct Container: ObjectDecodable {
    package struct Port: ObjectDecodable {
        package var location: SourceLocation
        package var name: String?
        package var number: Int
        /// `TCP`, `UDP` or `SCTP`.
        package var transport: String

        package init(_ reader: ObjectReader) {
            location = reader.location
            name = reader.string("name")
            number = reader.int("containerPort", in: 1...65535) ?? 0
            if !reader.has("containerPort") { reader.error(nil, "containerPort is required") }
            transport = reader.string("protocol") ?? "TCP"
            reader.accept("hostPort", "hostIP")
        }
    }

    package struct VolumeMount: ObjectDecodable {
        package var location: SourceLocation
        package var name: String
        package var mountPath: String
        package var subPath: String?
        package var isReadOnly: Bool

        package init(_ reader: ObjectReader) {
            location = reader.location
            name = reader.requiredString("name")
            mountPath = reader.requiredString("mountPath")
            subPath = reader.string("subPath")
            isReadOnly = reader.bool("readOnly") ?? false
            reader.accept("mountPropagation", "recursiveReadOnly", "subPathExpr")
        }
    }

    package var location: SourceLocation
    package var name: String
    /// Empty when the container is given by its command alone.
    package var image: String
    package var command: [String]
    package var args: [String]
    package var workingDirectory: String?
    package var environment: [EnvironmentVariable]
    package var environmentFrom: [EnvironmentSource]
    package var ports: [Port]
    package var volumeMounts: [VolumeMount]
    package var readinessProbe: Probe?
    package var livenessProbe: Probe?
    package var startupProbe: Probe?
    /// `Always` marks an init container that keeps running (a native sidecar).
    package var restartPolicy: String?

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.requiredString("name")
        image = reader.string("image") ?? ""
        command = reader.strings("command")
        args = reader.strings("args")
        workingDirectory = reader.string("workingDir")
        environment = reader.objects("env")
        environmentFrom = reader.objects("envFrom")
        ports = reader.objects("ports")
        volumeMounts = reader.objects("volumeMounts")
        readinessProbe = reader.object("readinessProbe")
        livenessProbe = reader.object("livenessProbe")
        startupProbe = reader.object("startupProbe")
        restartPolicy = reader.string("restartPolicy")
        reader.accept(
            "imagePullPolicy", "resources", "securityContext", "terminationMessagePath", "terminationMessagePolicy",
            "stdin", "stdinOnce", "tty", "resizePolicy", "volumeDevices", "restartPolicyRules"
        )
        reader.notSupported("lifecycle", "no hooks are run")
    }
}

/// A variable of a container's environment.
package struct EnvironmentVariable: ObjectDecodable {
    package enum Value: Sendable, Equatable {
        /// May hold `$(OTHER)` references.
        case literal(String)
        case configMap(name: String, key: String, optional: Bool)
        case secret(name: String, key: String, optional: Bool)
        /// Path of a field of the pod, such as `metadata.name` or `status.podIP`.
        case field(String)
        /// A resource bound such as `limits.cpu`, which has no value here.
        case resource(String)
    }

    package var location: SourceLocation
    package var name: String
    package var value: Value

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.requiredString("name")
        let literal = reader.string("value")
        guard reader.has("valueFrom") else {
            value = .literal(literal ?? "")
            return
        }
        let source = reader.child("valueFrom")
        if literal != nil { reader.error("valueFrom", "only one of value, valueFrom may be set") }
        if source.has("configMapKeyRef") {
            let reference = source.child("configMapKeyRef")
            value = .configMap(
                name: reference.requiredString("name"),
                key: reference.requiredString("key"),
                optional: reference.bool("optional") ?? false
            )
        } else if source.has("secretKeyRef") {
            let reference = source.child("secretKeyRef")
            value = .secret(
                name: reference.requiredString("name"),
                key: reference.requiredString("key"),
                optional: reference.bool("optional") ?? false
            )
        } else if source.has("fieldRef") {
            let reference = source.child("fieldRef")
            value = .field(reference.requiredString("fieldPath"))
            reference.accept("apiVersion")
        } else if source.has("resourceFieldRef") {
            let reference = source.child("resourceFieldRef")
            value = .resource(reference.requiredString("resource"))
            reference.accept("containerName", "divisor")
            reader.warning("valueFrom", "resource bounds have no value here: the variable is empty")
        } else {
            value = .literal("")
            reader.error("valueFrom", "one of configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef must be set")
        }
    }
}

/// All keys of a ConfigMap or Secret as variables.
package struct EnvironmentSource: ObjectDecodable {
    package enum Origin: Sendable, Equatable {
        case configMap(String)
        case secret(String)
    }

    package var location: SourceLocation
    package var prefix: String
    package var origin: Origin
    package var isOptional: Bool

    package init(_ reader: ObjectReader) {
        location = reader.location
        prefix = reader.string("prefix") ?? ""
        reader.exactlyOne(of: "configMapRef", "secretRef")
        let isSecret = reader.has("secretRef")
        let reference = reader.child(isSecret ? "secretRef" : "configMapRef")
        let name = reader.has("configMapRef") || isSecret ? reference.requiredString("name") : ""
        origin = isSecret ? .secret(name) : .configMap(name)
        isOptional = reference.bool("optional") ?? false
    }
}

/// A check that a container is alive or ready.
package struct Probe: ObjectDecodable {
    package enum Action: Sendable, Equatable {
        case http(path: String, port: Service.Port.Target, scheme: String, headers: [String: String])
        case tcp(port: Service.Port.Target)
        case grpc(port: Int, service: String)
        case command([String])
    }

    package var location: SourceLocation
    package var action: Action?
    package var initialDelaySeconds: Int
    package var timeoutSeconds: Int
    package var periodSeconds: Int
    package var successThreshold: Int
    package var failureThreshold: Int

    package init(_ reader: ObjectReader) {
        location = reader.location
        initialDelaySeconds = reader.int("initialDelaySeconds") ?? 0
        timeoutSeconds = reader.int("timeoutSeconds") ?? 1
        periodSeconds = reader.int("periodSeconds") ?? 10
        successThreshold = reader.int("successThreshold") ?? 1
        failureThreshold = reader.int("failureThreshold") ?? 3
        reader.accept("terminationGracePeriodSeconds")
        reader.exactlyOne(of: "httpGet", "tcpSocket", "grpc", "exec")
        if reader.has("httpGet") {
            let http = reader.child("httpGet")
            let headers = http.objects("httpHeaders", Header.self)
            action = .http(
                path: http.string("path") ?? "/",
                port: http.portTarget("port") ?? .number(80),
                scheme: http.string("scheme") ?? "HTTP",
                headers: Dictionary(headers.map { ($0.name, $0.value) }) { first, _ in first }
            )
            http.accept("host")
            if !http.has("port") { http.error(nil, "port is required") }
        } else if reader.has("tcpSocket") {
            let tcp = reader.child("tcpSocket")
            action = .tcp(port: tcp.portTarget("port") ?? .number(80))
            tcp.accept("host")
            if !tcp.has("port") { tcp.error(nil, "port is required") }
        } else if reader.has("grpc") {
            let grpc = reader.child("grpc")
            action = .grpc(port: grpc.int("port", in: 1...65535) ?? 0, service: grpc.string("service") ?? "")
            if !grpc.has("port") { grpc.error(nil, "port is required") }
        } else if reader.has("exec") {
            action = .command(reader.child("exec").strings("command"))
        }
    }

    private struct Header: ObjectDecodable {
        var name: String
        var value: String

        init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            value = reader.string("value") ?? ""
        }
    }
}
