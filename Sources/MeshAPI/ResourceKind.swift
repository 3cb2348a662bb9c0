/// A kind of resource that Martlet knows by name.
package struct ResourceKind: Sendable {
    package enum Support: Sendable {
        /// Decoded into a `Resource`.
        case decoded
        /// Known and harmless to leave out on this machine: no warning.
        case irrelevant
        /// Read and judged, but not carried out yet; the text says what that means for the user.
        case checked(String)
        /// Known and meaningful, but not read yet; the text says what that means for the user.
        case pending(String)
    }

    package var group: String
    package var name: String
    package var versions: [String]
    package var support: Support
    package var isClusterScoped = false

    /// An IstioOperator is a file for an installer, not an object: it may go without a name.
    var needsName: Bool { name != "IstioOperator" }

    package static func find(group: String, name: String) -> ResourceKind? {
        index["\(group)/\(name)"]
    }

    private static let index: [String: ResourceKind] =
        Dictionary(all.map { ("\($0.group)/\($0.name)", $0) }) { first, _ in first }

    package static let all: [ResourceKind] =
        kinds("", ["v1"], .decoded, "Service", "ServiceAccount", "Pod", "ConfigMap", "Secret", "ReplicationController")
        + kinds("", ["v1"], .decoded, clusterScoped: true, "Namespace")
        + kinds("apps", ["v1", "v1beta1", "v1beta2"], .decoded, "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
        + kinds("batch", ["v1", "v1beta1"], .decoded, "Job")
        + kinds("batch", ["v1", "v1beta1"], .pending("its jobs are not run"), "CronJob")
        + kinds("networking.istio.io", istio, .decoded, "VirtualService", "DestinationRule", "Gateway", "ServiceEntry")
        + kinds("networking.istio.io", istio, .decoded, "WorkloadEntry", "WorkloadGroup", "Sidecar", "ProxyConfig")
        + kinds("split.smi-spec.io", ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"], .decoded, "TrafficSplit")
        + kinds("specs.smi-spec.io", ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"], .decoded, "HTTPRouteGroup")
        + kinds(
            "security.istio.io", istio, .decoded, "PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication")
        + kinds(
            "policy.linkerd.io", ["v1alpha1", "v1beta1", "v1beta2", "v1beta3"], .decoded, "Server",
            "ServerAuthorization", "AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication", "HTTPRoute")
        + pendingKinds + irrelevantKinds

    private static let istio = ["v1", "v1beta1", "v1alpha3", "v1alpha1", "v1alpha2"]

    private static let pendingKinds: [ResourceKind] =
        kinds("networking.istio.io", istio, .checked("Martlet has no Envoy to patch"), "EnvoyFilter")
        + kinds("telemetry.istio.io", istio, .checked("telemetry keeps its defaults"), "Telemetry")
        + kinds(
            "extensions.istio.io",
            istio,
            .checked("the extension is not run, and what it enforces is NOT enforced"),
            "WasmPlugin",
            "TrafficExtension"
        )
        + kinds("install.istio.io", istio, .pending("the mesh keeps its default settings"), "IstioOperator")
        + kinds(
            "policy.linkerd.io",
            ["v1alpha1", "v1beta1", "v1beta2", "v1beta3"],
            .pending("it is NOT enforced or routed by"),
            "EgressNetwork",
            "HTTPLocalRateLimitPolicy"
        )
        + kinds("linkerd.io", ["v1alpha1", "v1alpha2"], .pending("its routes are not used"), "ServiceProfile")
        + kinds(
            "gateway.networking.k8s.io",
            ["v1", "v1beta1", "v1alpha2", "v1alpha3"],
            .pending("no traffic is routed by it"),
            "Gateway",
            "HTTPRoute",
            "GRPCRoute",
            "TCPRoute",
            "TLSRoute",
            "UDPRoute",
            "ReferenceGrant",
            "BackendTLSPolicy"
        )
        + kinds(
            "gateway.networking.k8s.io",
            ["v1", "v1beta1", "v1alpha2"],
            .pending("no traffic is routed by it"),
            clusterScoped: true,
            "GatewayClass"
        )
        + kinds("networking.k8s.io", ["v1", "v1beta1"], .pending("no traffic is routed by it"), "Ingress")
        + kinds("networking.k8s.io", ["v1"], .pending("it is NOT enforced"), "NetworkPolicy")
        + kinds("", ["v1"], .pending("it adds no endpoints"), "Endpoints")
        + kinds("discovery.k8s.io", ["v1", "v1beta1"], .pending("it adds no endpoints"), "EndpointSlice")

    private static let irrelevantKinds: [ResourceKind] =
        kinds("rbac.authorization.k8s.io", ["v1", "v1beta1"], .irrelevant, "Role", "RoleBinding")
        + kinds(
            "rbac.authorization.k8s.io",
            ["v1", "v1beta1"],
            .irrelevant,
            clusterScoped: true,
            "ClusterRole",
            "ClusterRoleBinding"
        )
        + kinds(
            "apiextensions.k8s.io", ["v1", "v1beta1"], .irrelevant, clusterScoped: true, "CustomResourceDefinition")
        + kinds(
            "admissionregistration.k8s.io",
            ["v1", "v1beta1"],
            .irrelevant,
            clusterScoped: true,
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration"
        )
        + kinds("storage.k8s.io", ["v1", "v1beta1"], .irrelevant, clusterScoped: true, "StorageClass", "CSIDriver")
        + kinds("networking.k8s.io", ["v1", "v1beta1"], .irrelevant, clusterScoped: true, "IngressClass")
        + kinds("scheduling.k8s.io", ["v1"], .irrelevant, clusterScoped: true, "PriorityClass")
        + kinds("", ["v1"], .irrelevant, "PersistentVolumeClaim", "ResourceQuota", "LimitRange", "Event")
        + kinds("", ["v1"], .irrelevant, clusterScoped: true, "PersistentVolume", "Node")
        + kinds("policy", ["v1", "v1beta1"], .irrelevant, "PodDisruptionBudget")
        + kinds("autoscaling", ["v1", "v2", "v2beta1", "v2beta2"], .irrelevant, "HorizontalPodAutoscaler")
        + kinds("monitoring.coreos.com", ["v1"], .irrelevant, "ServiceMonitor", "PodMonitor", "PrometheusRule")
        + kinds("cert-manager.io", ["v1"], .irrelevant, "Certificate", "Issuer")
        + kinds("kustomize.config.k8s.io", ["v1beta1", "v1alpha1"], .irrelevant, "Kustomization", "Component")

    private static func kinds(
        _ group: String,
        _ versions: [String],
        _ support: Support,
        clusterScoped: Bool = false,
        _ names: String...
    ) -> [ResourceKind] {
        names.map {
            ResourceKind(group: group, name: $0, versions: versions, support: support, isClusterScoped: clusterScoped)
        }
    }
}
