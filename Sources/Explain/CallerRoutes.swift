import ControlPlane
import MeshAPI
import MeshState
import Proxy
import Routing
import SwiftProtobuf
import XDS
import XDSTransport

/// What a caller's sidecar makes of a call: its configuration is the one that the control plane would send it.
struct CallerRoutes {
    struct Destination: Sendable, Hashable {
        var host: String
        var port: Int
        var subset: String

        init(host: String, port: Int, subset: String) {
            self.host = host
            self.port = port
            self.subset = subset
        }

        /// `outbound|PORT|SUBSET|HOST`; nil for anything else.
        init?(cluster: String) {
            let parts = cluster.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 4, parts[0] == "outbound", let port = Int(parts[1]) else { return nil }
            self.init(host: parts[3], port: port, subset: parts[2])
        }

        var text: String { "\(host):\(port)\(subset.isEmpty ? "" : " subset \(subset)")" }
    }

    private let resources: XDSResources

    init(mesh: ExplainedMesh, caller: MeshWorkload) {
        MessageTypes.register()
        let proxy = ProxyIdentity(
            id: "sidecar~\(caller.ip)~\(caller.name).\(caller.namespace)~explain", role: .sidecar, ip: caller.ip,
            pod: caller.name, namespace: caller.namespace, labels: caller.labels,
            serviceAccount: caller.serviceAccount)
        var builder = ConfigurationBuilder(mesh.snapshot)
        let set = builder.build(for: proxy)
        var resources = XDSResources()
        resources.listeners = Self.all(set)
        resources.routes = Self.all(set)
        resources.clusters = Self.all(set)
        self.resources = resources
    }

    private static func all<M: Message>(_ set: XDSTransport.ResourceSet) -> [String: M] {
        set[TypeURL.of(M.self)].compactMapValues { try? M(unpackingAny: $0.body) }
    }

    func route(
        _ question: CallQuestion, service: MeshService?
    ) -> (step: CallExplanation.Step, destinations: [Destination]) {
        let listener =
            service?.address.flatMap { resources.listeners["\($0)_\(question.port)"] }
            ?? resources.listeners["\(question.host)_\(question.port)"]
            ?? resources.listeners["0.0.0.0_\(question.port)"]
        guard let listener else { return unknown(question) }
        let chains = listener.filterChains + (listener.hasDefaultFilterChain ? [listener.defaultFilterChain] : [])
        let filters = chains.compactMap { $0.filters.last?.typedConfig }
        if question.isRequest {
            for any in filters {
                guard
                    let manager =
                        try? Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager(
                            unpackingAny: any)
                else { continue }
                return route(question, by: manager)
            }
        }
        for any in filters {
            guard let proxy = try? Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy(unpackingAny: any) else {
                continue
            }
            let names = proxy.cluster.isEmpty ? proxy.weightedClusters.clusters.map(\.name) : [proxy.cluster]
            let destinations = names.compactMap(Destination.init(cluster:))
            return forward(to: destinations, names: names, origin: "")
        }
        return unknown(question)
    }

    private func unknown(_ question: CallQuestion) -> (CallExplanation.Step, [Destination]) {
        let text = "\(question.host):\(question.port) is nothing that the mesh knows: it goes where the address leads"
        return (.init(subject: .route, pods: [], isAllowed: true, text: text), [])
    }

    private func route(
        _ question: CallQuestion,
        by manager: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
    ) -> (step: CallExplanation.Step, destinations: [Destination]) {
        let name = manager.rds.routeConfigName.isEmpty ? manager.routeConfig.name : manager.rds.routeConfigName
        var asked = PolicyQuestion()
        asked.method = question.method
        asked.path = question.path
        asked.host = question.port == 80 ? question.host : "\(question.host):\(question.port)"
        asked.headers = question.headers
        let status = HeadPlan(manager).receive(&asked)
        let refused = { (text: String) in
            (step: CallExplanation.Step(subject: .route, pods: [], isAllowed: false, text: text), [Destination]())
        }
        if let status { return refused("\(status): the path \(question.path) is refused") }
        guard let answer = RoutePlan(resources).decide(table: name, asked),
            let wire = resources.routes[name] ?? (manager.routeConfig.name == name ? manager.routeConfig : nil)
        else { return refused("there is no route table \(name)") }
        let by = answer.origin.isEmpty ? "" : ", \(answer.origin)"
        let route = answer.route.flatMap { number -> Envoy_Config_Route_V3_Route? in
            let all = wire.virtualHosts.flatMap(\.routes)
            return number < all.count ? all[number] : nil
        }
        switch answer.outcome {
        case .noVirtualHost: return refused("404: no virtual host of port \(question.port) is called \(asked.host)")
        case .noRoute: return refused("404: no route of \(answer.virtualHost) matches\(by)")
        case .requireTLS, .redirect:
            return (.init(subject: .route, pods: [], isAllowed: true, text: "a redirection\(by)"), [])
        case .directResponse:
            let status = route?.directResponse.status ?? 0
            return (.init(subject: .route, pods: [], isAllowed: status < 400, text: "answered with \(status)\(by)"), [])
        case .forward, .forwardByHeader:
            guard let route else { return refused("no route") }
            let weighted = route.route.weightedClusters.clusters.filter { $0.weight.value > 0 }.map(\.name)
            let names = weighted.isEmpty ? [route.route.cluster] : weighted
            return forward(to: names.compactMap(Destination.init(cluster:)), names: names, origin: by)
        }
    }

    private func forward(
        to destinations: [Destination], names: [String], origin: String
    ) -> (step: CallExplanation.Step, destinations: [Destination]) {
        let places = destinations.isEmpty ? names : destinations.map(\.text)
        let isRefused = names == ["BlackHoleCluster"]
        let text =
            isRefused ? "nowhere: the mesh knows no such host\(origin)" : "to \(places.joined(separator: " or "))"
        return (
            .init(subject: .route, pods: [], isAllowed: !isRefused, text: text + (isRefused ? "" : origin)),
            destinations
        )
    }
}
