import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// Traffic policy groups of a DestinationRule as cluster settings.
enum PolicyCompiler {
    static func applyBalancing(_ settings: LoadBalancerSettings?, to cluster: inout Cluster) {
        if let hash = settings?.consistentHash {
            switch hash.algorithm {
            case .ringHash(let size):
                cluster.lbPolicy = .ringHash
                cluster.ringHashLbConfig.minimumRingSize = .init(UInt64(clamping: size))
            case .maglev(let size):
                cluster.lbPolicy = .maglev
                cluster.maglevLbConfig.tableSize = .init(UInt64(clamping: size))
            }
            return
        }
        switch settings?.simple ?? .unspecified {
        case .unspecified, .leastConnections, .leastRequest: cluster.lbPolicy = .leastRequest
        case .random: cluster.lbPolicy = .random
        case .roundRobin: cluster.lbPolicy = .roundRobin
        case .passthrough: cluster.lbPolicy = .clusterProvided
        }
        guard let warmup = settings?.warmup else { return }
        var slowStart = Cluster.SlowStartConfig()
        slowStart.slowStartWindow = .init(warmup.duration)
        slowStart.aggression.defaultValue = warmup.aggression ?? 1
        slowStart.minWeightPercent.value = warmup.minimumPercent ?? 10
        if cluster.lbPolicy == .leastRequest { cluster.leastRequestLbConfig.slowStartConfig = slowStart }
        if cluster.lbPolicy == .roundRobin { cluster.roundRobinLbConfig.slowStartConfig = slowStart }
    }

    static func applyConnectionPool(
        _ policy: EffectivePolicy, isHTTP2: Bool, mayUpgrade: Bool, multiplexes: Bool = false,
        followsClient: Bool = false, to cluster: inout Cluster
    ) {
        let tcp = policy.connectionPool?.tcp
        let http = policy.connectionPool?.http
        var limits = Envoy_Config_Cluster_V3_CircuitBreakers.Thresholds()
        limits.maxConnections = bound(tcp?.maxConnections)
        limits.maxPendingRequests = bound(http?.http1MaxPendingRequests)
        limits.maxRequests = bound(http?.http2MaxRequests)
        limits.maxRetries = bound(http?.maxRetries)
        if let budget = policy.retryBudget {
            limits.retryBudget.budgetPercent.value = budget.percent ?? 20
            limits.retryBudget.minRetryConcurrency = .init(UInt32(clamping: budget.minRetryConcurrency ?? 3))
        }
        cluster.circuitBreakers.thresholds = [limits]

        if let keepalive = tcp?.tcpKeepalive {
            var wire = Envoy_Config_Core_V3_TcpKeepalive()
            if let probes = keepalive.probes { wire.keepaliveProbes = .init(UInt32(clamping: probes)) }
            if let time = keepalive.time { wire.keepaliveTime = .init(UInt32(clamping: time.components.seconds)) }
            if let interval = keepalive.interval {
                wire.keepaliveInterval = .init(UInt32(clamping: interval.components.seconds))
            }
            cluster.upstreamConnectionOptions.tcpKeepalive = wire
        }

        var options = Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions()
        var isNeeded = isHTTP2 || (mayUpgrade && http?.h2UpgradePolicy == .upgrade)
        if isNeeded {
            options.explicitHTTPConfig.http2ProtocolOptions = http2(http)
        } else if multiplexes {
            options.autoConfig.httpProtocolOptions = .init()
            options.autoConfig.http2ProtocolOptions = http2(http)
            isNeeded = true
        } else {
            options.explicitHTTPConfig.httpProtocolOptions = .init()
        }
        // Where nobody says what the port speaks, the client knows.
        if http?.useClientProtocol == true || followsClient && !isNeeded {
            options.useDownstreamProtocolConfig = .init()
            options.useDownstreamProtocolConfig.httpProtocolOptions = .init()
            if mayUpgrade { options.useDownstreamProtocolConfig.http2ProtocolOptions = http2(http) }
            isNeeded = true
        }
        if let idle = http?.idleTimeout ?? tcp?.idleTimeout {
            options.commonHTTPProtocolOptions.idleTimeout = .init(idle)
            isNeeded = true
        }
        if let age = tcp?.maxConnectionDuration {
            options.commonHTTPProtocolOptions.maxConnectionDuration = .init(age)
            isNeeded = true
        }
        if let requests = http?.maxRequestsPerConnection, requests > 0 {
            options.commonHTTPProtocolOptions.maxRequestsPerConnection = .init(UInt32(clamping: requests))
            isNeeded = true
        }
        if isNeeded {
            cluster.typedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] =
                .init(packing: options)
        }
    }

    /// A cluster for whatever passes through speaks to the endpoint what the client spoke.
    static func followClient(_ cluster: inout Cluster) {
        var options = Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions()
        options.useDownstreamProtocolConfig.httpProtocolOptions = .init()
        options.useDownstreamProtocolConfig.http2ProtocolOptions = .init()
        cluster.typedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] =
            .init(packing: options)
    }

    private static func http2(_ http: ConnectionPoolSettings.HTTP?) -> Envoy_Config_Core_V3_Http2ProtocolOptions {
        var options = Envoy_Config_Core_V3_Http2ProtocolOptions()
        if let streams = http?.maxConcurrentStreams, streams > 0 {
            options.maxConcurrentStreams = .init(UInt32(clamping: streams))
        }
        if let keepalive = http?.http2KeepAlive {
            options.connectionKeepalive.interval = .init(keepalive.interval)
            options.connectionKeepalive.timeout = .init(keepalive.timeout)
        }
        return options
    }

    /// Nil and zero are Istio's default: no bound.
    private static func bound(_ value: Int?) -> Google_Protobuf_UInt32Value {
        .init(value.flatMap { $0 > 0 ? UInt32(clamping: $0) : nil } ?? .max)
    }

    static func applyOutlierDetection(_ settings: OutlierDetection?, to cluster: inout Cluster) {
        guard let settings else { return }
        var outlier = Envoy_Config_Cluster_V3_OutlierDetection()
        outlier.enforcingSuccessRate = .init(0)
        if let count = settings.consecutive5xxErrors {
            outlier.consecutive5Xx = .init(UInt32(clamping: count))
            outlier.enforcingConsecutive5Xx = .init(count > 0 ? 100 : 0)
        }
        if let count = settings.consecutiveGatewayErrors ?? settings.consecutiveErrors {
            outlier.consecutiveGatewayFailure = .init(UInt32(clamping: count))
            outlier.enforcingConsecutiveGatewayFailure = .init(count > 0 ? 100 : 0)
        }
        if settings.splitExternalLocalOriginErrors == true {
            outlier.splitExternalLocalOriginErrors = true
            if let count = settings.consecutiveLocalOriginFailures {
                outlier.consecutiveLocalOriginFailure = .init(UInt32(clamping: count))
                outlier.enforcingConsecutiveLocalOriginFailure = .init(count > 0 ? 100 : 0)
            }
        }
        if let interval = settings.interval { outlier.interval = .init(interval) }
        if let time = settings.baseEjectionTime { outlier.baseEjectionTime = .init(time) }
        if let percent = settings.maxEjectionPercent { outlier.maxEjectionPercent = .init(UInt32(clamping: percent)) }
        cluster.outlierDetection = outlier
        // Istio turns Envoy's panic mode off unless asked.
        cluster.commonLbConfig.healthyPanicThreshold.value = Double(settings.minHealthPercent ?? 0)
    }

    /// Every connection begins with the client's address; TLS comes after it.
    static func applyProxyProtocol(_ settings: TrafficPolicy.ProxyProtocol, to cluster: inout Cluster) {
        func wrapped(_ inner: TransportSocket) -> TransportSocket {
            var outer = Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport()
            outer.config.version = settings.version == .v2 ? .v2 : .v1
            outer.transportSocket = inner
            return TransportSocket("envoy.transport_sockets.upstream_proxy_protocol", outer)
        }
        for index in cluster.transportSocketMatches.indices {
            let inner = cluster.transportSocketMatches[index].transportSocket
            cluster.transportSocketMatches[index].transportSocket = wrapped(inner)
        }
        cluster.transportSocket = wrapped(cluster.hasTransportSocket ? cluster.transportSocket : .raw)
    }

    /// TLS that the proxy begins for the application (`SIMPLE`, `MUTUAL`).
    static func originatedTLS(_ tls: ClientTLSSettings, isHTTP2: Bool, service: MeshService) -> UpstreamTLS {
        var context = UpstreamTLS()
        let isNamed = !service.host.hasPrefix("*")
        if let name = tls.sni ?? (isNamed ? service.host : nil), !name.isEmpty { context.sni = name }
        if isHTTP2 { context.commonTlsContext.alpnProtocols = ["h2"] }
        let names = tls.subjectAltNames.isEmpty ? service.entry?.subjectAltNames ?? [] : tls.subjectAltNames
        if let credential = tls.credentialName?.value, !credential.isEmpty {
            let secret = Names.gatewaySecret(credential)
            if tls.mode == .mutual { context.commonTlsContext.tlsCertificateSdsSecretConfigs = [.init(secret)] }
            guard tls.insecureSkipVerify != true else { return context }
            context.commonTlsContext.combinedValidationContext.validationContextSdsSecretConfig =
                .init(secret + "-cacert")
            context.commonTlsContext.combinedValidationContext.defaultValidationContext.matchTypedSubjectAltNames =
                names.map(nameMatcher)
            return context
        }
        if let chain = tls.clientCertificate, let key = tls.privateKey {
            var certificate = Envoy_Extensions_TransportSockets_Tls_V3_TlsCertificate()
            certificate.certificateChain.filename = chain
            certificate.privateKey.filename = key
            context.commonTlsContext.tlsCertificates = [certificate]
        }
        guard tls.insecureSkipVerify != true else { return context }
        var validation = Envoy_Extensions_TransportSockets_Tls_V3_CertificateValidationContext()
        validation.trustedCa.filename = tls.caCertificates ?? "/etc/ssl/certs/ca-certificates.crt"
        if let list = tls.caCRL { validation.crl.filename = list }
        // The system's authorities sign for everybody: then the name must be that of the host.
        let implied = tls.caCertificates == nil && isNamed ? [tls.sni ?? service.host] : []
        validation.matchTypedSubjectAltNames = (names.isEmpty ? implied : names).map(nameMatcher)
        context.commonTlsContext.validationContext = validation
        return context
    }

    private static func nameMatcher(
        _ name: String
    ) -> Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher {
        var matcher = Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher()
        matcher.sanType = name.contains("://") ? .uri : .dns
        matcher.matcher.exact = name
        return matcher
    }
}
