package import MeshState
package import XDS

/// The security filters that a workload's sidecar gets, for those who want to ask them.
package struct WorkloadSecurity: Sendable {
    package let http: [Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter]
    package let tcp: [Envoy_Config_Listener_V3_Filter]
    /// What is done to requests before the filters see them.
    package let reception: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

    package init(snapshot: MeshSnapshot, workload: MeshWorkload, keySets: KeySetSnapshot = KeySetSnapshot()) {
        let proxy = ProxyIdentity(
            id: workload.name, role: workload.kind == .gateway ? .gateway : .sidecar, ip: workload.ip,
            pod: workload.name,
            namespace: workload.namespace, labels: workload.labels, serviceAccount: workload.serviceAccount,
            features: .martlet)
        let mesh = MeshConfiguration(snapshot)
        let view = ProxyView(snapshot: snapshot, proxy: proxy, mesh: mesh, keySets: keySets)
        reception = ListenerParts(configuration: mesh).connectionManager(statPrefix: "")
        let filters = SecurityFilters(view: view)
        http = filters.http
        tcp = filters.tcp
    }
}
