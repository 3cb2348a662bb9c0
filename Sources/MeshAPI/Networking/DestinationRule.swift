/// `networking.istio.io` DestinationRule: policy for traffic to a host after routing.
package struct DestinationRule: Sendable, Equatable {
    package var metadata: ObjectMeta
    /// As written: a short name is resolved in the resource's namespace by the mesh state; may be a wildcard.
    package var host: Located<String>
    package var trafficPolicy: TrafficPolicy?
    package var subsets: [Subset]
    package var exportTo: [Located<String>]
    /// Labels of the client workloads concerned; nil means all.
    package var workloadSelector: [String: String]?
}

/// A named part of a host's endpoints.
package struct Subset: ObjectDecodable {
    package var location: SourceLocation
    package var name: String
    package var labels: [String: String]
    package var trafficPolicy: TrafficPolicy?

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.requiredString("name")
        labels = reader.stringMap("labels")
        trafficPolicy = reader.object("trafficPolicy")
        if !name.isEmpty, !NameRules.isLabel(name) {
            reader.error("name", "\"\(name)\" is not a subset name: lower case letters, digits and -")
        }
        NameRules.checkLabels(labels, key: "labels", reader)
    }
}

/// How clients treat a host, a subset or a port. Each group replaces the same group of the level above; groups that are nil are
/// inherited, except from `portLevelSettings`, which stand for themselves.
package struct TrafficPolicy: ObjectDecodable {
    package struct PortPolicy: ObjectDecodable {
        package var location: SourceLocation
        package var port: Int
        package var loadBalancer: LoadBalancerSettings?
        package var connectionPool: ConnectionPoolSettings?
        package var outlierDetection: OutlierDetection?
        package var tls: ClientTLSSettings?

        package init(_ reader: ObjectReader) {
            location = reader.location
            port = reader.object("port", PortSelector.self)?.number ?? 0
            if !reader.has("port") { reader.error(nil, "port is required") }
            loadBalancer = reader.object("loadBalancer")
            connectionPool = reader.object("connectionPool")
            outlierDetection = reader.object("outlierDetection")
            tls = reader.object("tls")
        }
    }

    package struct Tunnel: ObjectDecodable {
        package var location: SourceLocation
        /// `CONNECT` or `POST`.
        package var httpMethod: String
        package var targetHost: String
        package var targetPort: Int

        package init(_ reader: ObjectReader) {
            location = reader.location
            httpMethod = reader.string("protocol") ?? "CONNECT"
            targetHost = reader.requiredString("targetHost")
            targetPort = reader.int("targetPort", in: 1...65535) ?? 0
            if !reader.has("targetPort") { reader.error(nil, "targetPort is required") }
            if !["", "CONNECT", "POST"].contains(httpMethod) {
                reader.error("protocol", "\"\(httpMethod)\" is not a tunnel protocol: use CONNECT or POST")
            }
            if !targetHost.isEmpty, !AddressRules.isAddress(targetHost),
                let fault = HostRules.faultOfName(targetHost)
            {
                reader.error("targetHost", fault)
            }
        }
    }

    package struct ProxyProtocol: ObjectDecodable {
        package enum Version: String, CaseIterable, Sendable {
            case v1 = "V1"
            case v2 = "V2"
        }

        package var version: Version

        package init(_ reader: ObjectReader) { version = reader.choice("version") ?? .v1 }
    }

    package struct RetryBudget: ObjectDecodable {
        package var percent: Double?
        package var minRetryConcurrency: Int?
        package var budgetInterval: Duration?

        package init(_ reader: ObjectReader) {
            percent = reader.double("percent", in: 0...100)
            minRetryConcurrency = reader.int("minRetryConcurrency")
            budgetInterval = reader.duration("budgetInterval")
        }
    }

    package var location: SourceLocation
    package var loadBalancer: LoadBalancerSettings?
    package var connectionPool: ConnectionPoolSettings?
    package var outlierDetection: OutlierDetection?
    package var tls: ClientTLSSettings?
    package var portLevelSettings: [PortPolicy]
    package var tunnel: Tunnel?
    package var proxyProtocol: ProxyProtocol?
    package var retryBudget: RetryBudget?

    package init(_ reader: ObjectReader) {
        location = reader.location
        loadBalancer = reader.object("loadBalancer")
        connectionPool = reader.object("connectionPool")
        outlierDetection = reader.object("outlierDetection")
        tls = reader.object("tls")
        portLevelSettings = reader.objects("portLevelSettings")
        tunnel = reader.object("tunnel")
        proxyProtocol = reader.object("proxyProtocol")
        retryBudget = reader.object("retryBudget")
        if reader.keys.isEmpty { reader.error(nil, "traffic policy must have at least one setting") }
        var seen: Set<Int> = []
        for setting in portLevelSettings where !seen.insert(setting.port).inserted {
            reader.error("portLevelSettings", "port \(setting.port) is given twice")
        }
    }
}
