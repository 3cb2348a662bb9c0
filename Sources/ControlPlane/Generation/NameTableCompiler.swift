import MeshState
import XDS

/// The names that the proxy's DNS server answers itself, with the addresses that its pod shall use.
struct NameTableCompiler {
    let view: ProxyView

    func table() -> Istio_Networking_Nds_V1_NameTable {
        var table = Istio_Networking_Nds_V1_NameTable()
        for service in view.services {
            let addresses: [String]
            switch service.resolution {
            case .clusterIP, .externalName, .entry:
                addresses = service.addresses.filter { !$0.contains("/") }
            case .headless:
                let ready = view.snapshot.workloads(of: service).filter { $0.ready || service.publishNotReadyAddresses }
                addresses = ready.map(\.ip)
                // Pods of a headless service have names of their own.
                for pod in ready { table.table["\(pod.name).\(service.host)"] = info(service, [pod.ip]) }
            }
            guard !addresses.isEmpty, !service.host.hasPrefix("*.") || service.entry != nil else { continue }
            table.table[service.host] = info(service, addresses)
        }
        return table
    }

    private func info(_ service: MeshService, _ addresses: [String]) -> Istio_Networking_Nds_V1_NameTable.NameInfo {
        var info = Istio_Networking_Nds_V1_NameTable.NameInfo()
        info.ips = addresses
        info.registry = service.entry == nil ? "Kubernetes" : "External"
        info.shortname = service.name
        info.namespace = service.namespace
        return info
    }
}
