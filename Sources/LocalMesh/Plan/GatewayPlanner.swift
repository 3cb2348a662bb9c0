package import MeshAPI

/// Makes gateway workloads for Gateway resources: one for each selector.
package enum GatewayPlanner {
    package static let namespace = "istio-system"

    /// Adds a gateway for each selector that no gateway of the manifests answers to: a workload without containers, or whose
    /// image is Istio's proxy (`auto` asks for it to be put in). An application with such labels stays what it is.
    package static func add(_ gateways: [Gateway], to workloads: [WorkloadPlan]) -> [WorkloadPlan] {
        var ports: [[String: String]: Set<UInt16>] = [:]
        for gateway in gateways {
            let selector = gateway.selector.isEmpty ? ["istio": "ingressgateway"] : gateway.selector
            for server in gateway.servers {
                guard let number = server.port.flatMap({ UInt16(exactly: $0.number) }), number > 0 else { continue }
                ports[selector, default: []].insert(number)
            }
        }
        var result = workloads
        var names: Set<String> = []
        for (selector, numbers) in ports.sorted(by: { name(for: $0.key) < name(for: $1.key) }) {
            if let index = result.firstIndex(where: {
                answers($0.template.labels, to: selector) && isGateway($0.template)
            }) {
                result[index].template.kind = .gateway
                result[index].template.sidecar = false
                result[index].template.containers = []
                result[index].template.gatewayPorts = Set(result[index].template.gatewayPorts).union(numbers).sorted()
                // All its pods would listen on the same sockets of the host; one does.
                result[index].replicas = min(1, result[index].replicas)
                continue
            }
            var workload = name(for: selector)
            var number = 2
            while !names.insert(workload).inserted {
                workload = "\(name(for: selector))-\(number)"
                number += 1
            }
            var template = PodTemplate(
                namespace: namespace,
                workload: workload,
                labels: selector.merging(["app": workload]) { own, _ in own }
            )
            template.kind = .gateway
            template.sidecar = false
            template.serviceAccount = "\(workload)-service-account"
            template.gatewayPorts = numbers.sorted()
            result.append(WorkloadPlan(template: template, replicas: 1))
        }
        openToHost(&result)
        return result
    }

    /// A port of the host leads to one gateway: where several listen on one, those for the way out stay inside of the mesh.
    private static func openToHost(_ workloads: inout [WorkloadPlan]) {
        var taken: Set<UInt16> = []
        for forTheWayOut in [false, true] {
            for index in workloads.indices where workloads[index].template.kind == .gateway {
                guard workloads[index].template.workload.contains("egress") == forTheWayOut else { continue }
                let ports = workloads[index].template.gatewayPorts
                workloads[index].template.hostPorts = ports.filter { taken.insert($0).inserted }
            }
        }
    }

    private static func isGateway(_ template: PodTemplate) -> Bool {
        template.kind == .gateway
            || template.containers.allSatisfy { container in
                container.image == "auto" || container.image.contains("/proxyv2") || container.name == "istio-proxy"
            }
    }

    private static func answers(_ labels: [String: String], to selector: [String: String]) -> Bool {
        selector.allSatisfy { labels[$0.key] == $0.value }
    }

    /// `istio: ingressgateway` is called istio-ingressgateway, as Istio's own is.
    package static func name(for selector: [String: String]) -> String {
        if let name = selector["istio"] { return "istio-\(name)" }
        if let name = selector["app"] ?? selector["app.kubernetes.io/name"] { return name }
        return selector.sorted { $0.key < $1.key }.first.map { "\($0.value)-gateway" } ?? "istio-ingressgateway"
    }
}
