import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// Turns the rules of a VirtualService into Envoy routes, one per match entry, in order.
struct RouteCompiler {
    let view: ProxyView
    /// The port that the requests were addressed to; a destination without a port takes it when its service has it.
    let listenerPort: Int
    let isGateway: Bool

    private var features: ProxyFeatures { view.proxy.features }

    func routes(for service: ResolvedVirtualService, rules: [HTTPRoute]) -> [Route] {
        rules.flatMap { rule -> [Route] in
            let origin = service.origin(of: rule.location)
            guard !rule.match.isEmpty else { return [route(rule, match: nil, service: service, origin: origin)] }
            return rule.match.map { route(rule, match: $0, service: service, origin: origin) }
        }
    }

    /// What a host gets to which no rule applies: its service's port, with the mesh's retry policy.
    func defaultRoute(host: String, port: Int, origin: Origin?) -> Route {
        var action = RouteAction()
        action.cluster = Names.outboundCluster(port: port, host: host)
        limit(.zero, &action)
        action.retryPolicy = RetryCompiler.standard()
        applyHashPolicy(&action, host: host, port: port, subset: nil)
        var route = Route()
        route.name = "default"
        route.match.prefix = "/"
        route.route = action
        route.metadata = Metadata(origin: origin)
        route.decorator.operation = "\(host):\(port)/*"
        return route
    }

    private func route(
        _ rule: HTTPRoute, match: HTTPMatchRequest?, service: ResolvedVirtualService, origin: Origin
    ) -> Route {
        var route = Route()
        route.name = name(rule, match: match, service: service, origin: origin)
        route.match = MatchCompiler.match(match)
        route.metadata = Metadata(origin: origin)
        HeaderCompiler.apply(rule.headers, features: features, to: &route)
        if let redirect = rule.redirect {
            route.redirect = RedirectCompiler.redirect(redirect, listenerPort: listenerPort, isGateway: isGateway)
        } else if let response = rule.directResponse {
            route.directResponse.status = UInt32(clamping: response.status)
            if !response.body.isEmpty { route.directResponse.body.inlineBytes = .init(response.body) }
        } else {
            route.route = action(rule, match: match, service: service)
            if let first = Self.live(rule.route).first?.destination {
                route.decorator.operation = "\(first.host.value):\(port(of: first))/*"
            }
            let live = Self.live(rule.route)
            if live.count == 1 { HeaderCompiler.apply(live.first?.headers, features: features, to: &route) }
        }
        FilterOverrides.apply(rule, features: features, to: &route)
        return route
    }

    /// The user's name of the rule (and of the match entry), else the place in the file that the route comes from.
    private func name(
        _ rule: HTTPRoute, match: HTTPMatchRequest?, service: ResolvedVirtualService, origin: Origin
    ) -> String {
        let given = [rule.name, match?.name].compactMap(\.self).filter { !$0.isEmpty }
        if !given.isEmpty { return given.joined(separator: ".") }
        return "\(origin.resource.namespace)/\(origin.resource.name)@\(origin.location)"
    }

    /// Destinations that get requests: a weight of zero means none, where there is another.
    private static func live(_ route: [HTTPRouteDestination]) -> [HTTPRouteDestination] {
        route.filter { route.count == 1 || $0.weight > 0 }
    }

    private func action(_ rule: HTTPRoute, match: HTTPMatchRequest?, service: ResolvedVirtualService) -> RouteAction {
        var action = RouteAction()
        let destinations = Self.live(rule.route)
        if destinations.count == 1, let destination = destinations.first?.destination {
            action.cluster = cluster(of: destination)
            applyHashPolicy(
                &action, host: destination.host.value, port: port(of: destination), subset: destination.subset?.value
            )
        } else {
            for entry in destinations {
                guard let destination = entry.destination else { continue }
                var weight = Envoy_Config_Route_V3_WeightedCluster.ClusterWeight()
                weight.name = cluster(of: destination)
                weight.weight = .init(UInt32(clamping: entry.weight))
                HeaderCompiler.apply(entry.headers, features: features, to: &weight)
                action.weightedClusters.clusters.append(weight)
            }
            if let destination = destinations.first?.destination {
                applyHashPolicy(
                    &action, host: destination.host.value, port: port(of: destination),
                    subset: destination.subset?.value
                )
            }
        }
        // No timeout unless asked for: Envoy's own default of 15 seconds is not Istio's.
        limit(rule.timeout ?? .zero, &action)
        if let policy = RetryCompiler.policy(rule.retries, hasHashPolicy: !action.hashPolicy.isEmpty) {
            action.retryPolicy = policy
        }
        RewriteCompiler.apply(rule.rewrite, match: match, to: &action)
        // The destination's own word comes last, as its other header operations do.
        let headers = [rule.headers] + (destinations.count == 1 ? [destinations.first?.headers] : [])
        if let host = headers.compactMap({ HeaderCompiler.hostOverride($0) }).last { action.hostRewriteLiteral = host }
        if features.contains(.mirrors) { action.requestMirrorPolicies = rule.mirrors.compactMap(mirror) }
        return action
    }

    /// Where `max_stream_duration` is present Envoy heeds neither `timeout` nor the retries' share of it, so proxies get the
    /// older field for `grpc-timeout`; gRPC itself reads the newer one only.
    private func limit(_ timeout: Duration, _ action: inout RouteAction) {
        action.timeout = .init(timeout)
        if features.contains(.proxyless) {
            action.maxStreamDuration.maxStreamDuration = .init(timeout)
        } else {
            action.maxGrpcTimeout = .init(timeout)
        }
    }

    private func mirror(_ policy: HTTPMirrorPolicy) -> RouteAction.RequestMirrorPolicy? {
        guard let destination = policy.destination, policy.percentage != 0 else { return nil }
        var mirror = RouteAction.RequestMirrorPolicy()
        mirror.cluster = cluster(of: destination)
        mirror.runtimeFraction.defaultValue = .init(percent: policy.percentage ?? 100)
        mirror.disableShadowHostSuffixAppend = true
        mirror.traceSampled = .init(false)
        return mirror
    }

    func cluster(of destination: Destination) -> String {
        Names.outboundCluster(
            port: port(of: destination), subset: destination.subset?.value ?? "", host: destination.host.value
        )
    }

    /// The port of a destination: given, else the listener's when the service has it, else the service's only one.
    func port(of destination: Destination) -> Int {
        if let port = destination.port { return port }
        guard let service = view.service(destination.host.value) else { return listenerPort }
        if service.port(listenerPort) != nil { return listenerPort }
        return service.ports.count == 1 ? service.ports.first?.number ?? listenerPort : listenerPort
    }

    /// Consistent hashing is chosen at the destination, but Envoy computes the hash at the route.
    private func applyHashPolicy(_ action: inout RouteAction, host: String, port: Int, subset: String?) {
        var balancer = view.policy(host: host, port: port, subset: subset).loadBalancer
        // `sessionAffinity` of the Service, unless a rule says otherwise.
        if balancer == nil, view.service(host)?.hasClientAffinity == true { balancer = .clientAffinity }
        guard let hash = balancer?.consistentHash, let key = hash.key else { return }
        var policy = RouteAction.HashPolicy()
        switch key {
        case .header(let name): policy.header.headerName = name
        case .sourceIP: policy.connectionProperties.sourceIp = true
        case .queryParameter(let name): policy.queryParameter.name = name
        case .cookie(let cookie):
            policy.cookie.name = cookie.name
            policy.cookie.path = cookie.path ?? ""
            if let lifetime = cookie.ttl { policy.cookie.ttl = .init(lifetime) }
            policy.cookie.attributes = cookie.attributes.map {
                var attribute = RouteAction.HashPolicy.CookieAttribute()
                attribute.name = $0.name
                attribute.value = $0.value ?? ""
                return attribute
            }
        }
        action.hashPolicy = [policy]
    }
}
