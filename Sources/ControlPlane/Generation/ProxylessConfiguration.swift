import MeshAPI
import MeshState
import SwiftProtobuf
import XDS
import XDSTransport

/// What a gRPC program without a proxy gets (`xds:///HOST:PORT`): for each name a listener of the API kind, its routes, the
/// clusters behind them and their endpoints. gRPC balances itself, over connections without mutual TLS.
struct ProxylessConfiguration {
    let view: ProxyView

    func add(to set: inout XDSTransport.ResourceSet) {
        for service in view.services {
            for port in service.ports where ![.udp].contains(port.applicationProtocol) { add(service, port, to: &set) }
            for output in ClusterCompiler(view: view).clusters(of: service) where output.endpoints != nil {
                set.insert(cluster(output.cluster), named: output.cluster.name)
                if let endpoints = output.endpoints { set.insert(assignment(endpoints), named: endpoints.clusterName) }
            }
        }
    }

    private func add(_ service: MeshService, _ port: MeshService.Port, to set: inout XDSTransport.ResourceSet) {
        let name = Names.outboundCluster(port: port.number, host: service.host)
        set.insert(routes(service, port, name: name), named: name)
        for host in names(of: service) {
            let listener = listener("\(host):\(port.number)", routes: name, origin: service.origin)
            set.insert(listener, named: listener.name)
        }
    }

    private func names(of service: MeshService) -> [String] {
        guard service.entry == nil else { return [service.host] }
        let own = service.namespace == view.proxy.namespace ? [service.name] : []
        return [service.host, "\(service.name).\(service.namespace).svc", "\(service.name).\(service.namespace)"] + own
    }

    private func listener(_ name: String, routes: String, origin: Origin) -> Listener {
        var manager = ConnectionManager()
        manager.rds.configSource = .aggregated
        manager.rds.routeConfigName = routes
        var router = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter()
        router.name = "envoy.filters.http.router"
        router.typedConfig = .init(packing: Envoy_Extensions_Filters_Http_Router_V3_Router())
        var fault = router
        fault.name = FilterOverrides.faultFilter
        fault.typedConfig = .init(packing: Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault())
        manager.httpFilters = [fault, router]
        var listener = Listener()
        listener.name = name
        listener.apiListener.apiListener = .init(packing: manager)
        listener.metadata = Metadata(origin: origin)
        return listener
    }

    private func routes(_ service: MeshService, _ port: MeshService.Port, name: String) -> RouteTable {
        let compiler = RouteCompiler(view: view, listenerPort: port.number, isGateway: false)
        var host = VirtualHost()
        host.name = "\(service.host):\(port.number)"
        // The program asked by name; there is nothing else to tell hosts apart.
        host.domains = ["*"]
        if let virtual = view.scope.routing.virtualService(for: service.host) {
            let rules = virtual.httpRules(for: view.client, port: port.number)
            host.routes = compiler.routes(for: virtual, rules: rules)
        }
        if host.routes.isEmpty {
            host.routes = [compiler.defaultRoute(host: service.host, port: port.number, origin: service.origin)]
        }
        for index in host.routes.indices { Self.simplify(&host.routes[index]) }
        var table = RouteTable()
        table.name = name
        table.virtualHosts = [host]
        return table
    }

    /// Takes out what gRPC refuses: host selection of retries, CORS.
    private static func simplify(_ route: inout Route) {
        route.typedPerFilterConfig[FilterOverrides.corsFilter] = nil
        guard case .route(var action)? = route.action else { return }
        if action.hasRetryPolicy {
            action.retryPolicy.retryHostPredicate = []
            action.retryPolicy.hostSelectionRetryMaxAttempts = 0
            // gRPC knows statuses of its own only.
            let known: Set = ["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"]
            let kept = action.retryPolicy.retryOn.split(separator: ",").map(String.init).filter(known.contains)
            action.retryPolicy.retryOn = kept.joined(separator: ",")
            if kept.isEmpty { action.clearRetryPolicy() }
        }
        route.action = .route(action)
    }

    private func cluster(_ given: Cluster) -> Cluster {
        var cluster = given
        cluster.transportSocketMatches = []
        cluster.clearTransportSocket()
        cluster.typedExtensionProtocolOptions = [:]
        // gRPC has these two; everything else becomes the first.
        if cluster.lbPolicy != .ringHash {
            cluster.lbPolicy = .roundRobin
            cluster.lbConfig = nil
        }
        return cluster
    }

    private func assignment(_ given: Endpoints) -> Endpoints {
        var assignment = given
        for index in assignment.endpoints.indices where !assignment.endpoints[index].hasLocality {
            // gRPC wants every group of endpoints to have a place and a weight.
            assignment.endpoints[index].locality = .init()
        }
        return assignment
    }
}
