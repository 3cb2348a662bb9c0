import Proxy
import SwiftProtobuf
import Testing
import XDS

/// Clusters in their JSON form: what is honoured is accepted, everything else is refused with the field's path.
@Suite("Compiling clusters")
struct ClusterCompilerTests {
    private static let types = "type.googleapis.com/envoy.extensions."

    private func issues(_ fields: String) throws -> [String] {
        MessageTypes.register()
        let cluster = try Envoy_Config_Cluster_V3_Cluster(
            jsonString: #"{"name":"c","connectTimeout":"1s",\#(fields)}"#)
        return RuntimeCompiler().issues(in: cluster).map(\.description)
    }

    /// Two endpoints: what a table would be made of.
    private static let two =
        #""loadAssignment":{"clusterName":"c","endpoints":[{"lbEndpoints":[{"endpoint":{"address":{"socketAddress":{"address":"10.0.0.1","portValue":80}}}},{"endpoint":{"address":{"socketAddress":{"address":"10.0.0.2","portValue":80}}}}]}]}"#

    private static let accepted = [
        #""type":"EDS","lbPolicy":"LEAST_REQUEST","leastRequestLbConfig":{"choiceCount":3,"activeRequestBias":{"defaultValue":2,"runtimeKey":"k"}}"#,
        #""lbPolicy":"RING_HASH","ringHashLbConfig":{"minimumRingSize":"2048","hashFunction":"MURMUR_HASH_2"}"#,
        #""lbPolicy":"MAGLEV","maglevLbConfig":{"tableSize":"251"}"#,
        #""roundRobinLbConfig":{"slowStartConfig":{"slowStartWindow":"60s","aggression":{"defaultValue":1,"runtimeKey":"k"}}}"#,
        #""commonLbConfig":{"healthyPanicThreshold":{"value":0},"localityWeightedLbConfig":{}}"#,
        #""loadBalancingPolicy":{"policies":[{"typedExtensionConfig":{"name":"x","typedConfig":{"@type":"\#(types)load_balancing_policies.wrr_locality.v3.WrrLocality","endpointPickingPolicy":{"policies":[{"typedExtensionConfig":{"name":"y","typedConfig":{"@type":"\#(types)load_balancing_policies.round_robin.v3.RoundRobin"}}}]}}}}]}"#,
        #""loadBalancingPolicy":{"policies":[{"typedExtensionConfig":{"name":"x","typedConfig":{"@type":"\#(types)load_balancing_policies.peak_ewma.v3alpha.PeakEwma","decayTime":"5s"}}}]}"#,
        #""outlierDetection":{"consecutive5xx":7,"interval":"1s","baseEjectionTime":"180s","maxEjectionPercent":100,"enforcingSuccessRate":0,"splitExternalLocalOriginErrors":true,"consecutiveLocalOriginFailure":2,"failurePercentageThreshold":50,"enforcingFailurePercentage":100}"#,
        #""circuitBreakers":{"thresholds":[{"maxRequests":5,"retryBudget":{"budgetPercent":{"value":25}}},{"priority":"HIGH","maxConnections":3}]}"#,
        #""healthChecks":[{"timeout":"1s","interval":"2s","unhealthyThreshold":3,"healthyThreshold":2,"httpHealthCheck":{"path":"/healthz","expectedStatuses":[{"start":"200","end":"400"}]}}]"#,
        #""healthChecks":[{"timeout":"1s","interval":"2s","unhealthyThreshold":3,"healthyThreshold":2,"grpcHealthCheck":{"serviceName":"s"}}]"#,
        #""lbSubsetConfig":{"fallbackPolicy":"ANY_ENDPOINT","subsetSelectors":[{"keys":["version"]}]}"#,
        #""transportSocket":{"name":"p","typedConfig":{"@type":"\#(types)transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport","config":{"version":"V2"},"transportSocket":{"name":"raw","typedConfig":{"@type":"\#(types)transport_sockets.raw_buffer.v3.RawBuffer"}}}}"#,
        #""type":"ORIGINAL_DST","lbPolicy":"CLUSTER_PROVIDED","originalDstLbConfig":{"useHttpHeader":true,"upstreamPortOverride":9000}"#,
        #""type":"STRICT_DNS","dnsLookupFamily":"V4_ONLY","respectDnsTtl":true,"dnsRefreshRate":"60s","loadAssignment":{"clusterName":"c","endpoints":[{"lbEndpoints":[{"endpoint":{"address":{"socketAddress":{"address":"example.com","portValue":80}}}}]}]}"#,
        #""upstreamConnectionOptions":{"tcpKeepalive":{"keepaliveTime":30}},"preconnectPolicy":{"perUpstreamPreconnectRatio":1.5}"#,
    ]

    @Test("what is honoured is accepted", arguments: accepted)
    func accepts(fields: String) throws {
        #expect(try issues(fields) == [])
    }

    private static let refused: [(String, String)] = [
        (#""lbPolicy":"MAGLEV","maglevLbConfig":{"tableSize":"4"},\#(two)"#, "maglev_lb_config.table_size"),
        (
            #""lbPolicy":"MAGLEV","maglevLbConfig":{"tableSize":"18446744073709551557"},\#(two)"#,
            "maglev_lb_config.table_size"
        ),
        (
            #""lbPolicy":"RING_HASH","ringHashLbConfig":{"minimumRingSize":"4000000000","maximumRingSize":"4000000000"},\#(two)"#,
            "ring_hash_lb_config.maximum_ring_size"
        ),
        (
            #""lbPolicy":"LEAST_REQUEST","leastRequestLbConfig":{"activeRequestBias":{"defaultValue":"NaN","runtimeKey":"k"}}"#,
            "least_request_lb_config.active_request_bias"
        ),
        (
            #""roundRobinLbConfig":{"slowStartConfig":{"slowStartWindow":"1s","minWeightPercent":{"value":"NaN"}}}"#,
            "round_robin_lb_config.slow_start_config.min_weight_percent"
        ),
        (
            #""preconnectPolicy":{"perUpstreamPreconnectRatio":"NaN"}"#,
            "preconnect_policy.per_upstream_preconnect_ratio"
        ),
        (#""commonLbConfig":{"healthyPanicThreshold":{"value":"NaN"}}"#, "common_lb_config.healthy_panic_threshold"),
        (#""perConnectionBufferLimitBytes":1"#, "per_connection_buffer_limit_bytes"),
        (
            #""loadAssignment":{"clusterName":"c","endpoints":[{"lbEndpoints":[{"endpoint":{"address":{"socketAddress":{"address":"10.0.0.1","portValue":80}}},"loadBalancingWeight":0}]}]}"#,
            "load_assignment.endpoints[0].lb_endpoints[0].load_balancing_weight"
        ),
        (#""lbPolicy":"MAGLEV","maglevLbConfig":{"tableSize":"250"}"#, "maglev_lb_config.table_size"),
        (
            #""lbPolicy":"RING_HASH","ringHashLbConfig":{"minimumRingSize":"64","maximumRingSize":"32"}"#,
            "ring_hash_lb_config.minimum_ring_size"
        ),
        (#""outlierDetection":{"maxEjectionPercent":101}"#, "outlier_detection.max_ejection_percent"),
        (#""outlierDetection":{"interval":"0s"}"#, "outlier_detection.interval"),
        (
            #""healthChecks":[{"timeout":"1s","interval":"2s","unhealthyThreshold":3,"tcpHealthCheck":{}}]"#,
            "health_checks[0].healthy_threshold"
        ),
        (
            #""healthChecks":[{"timeout":"1s","interval":"2s","unhealthyThreshold":3,"healthyThreshold":1,"tcpHealthCheck":{"send":{"text":"abc"}}}]"#,
            "health_checks[0].tcp_health_check.send.text"
        ),
        (
            #""lbSubsetConfig":{"subsetSelectors":[{"keys":["a"],"fallbackPolicy":"KEYS_SUBSET"}]}"#,
            "lb_subset_config.subset_selectors[0].fallback_policy"
        ),
        (#""type":"ORIGINAL_DST","lbPolicy":"RANDOM""#, "lb_policy"),
        (#""loadBalancingPolicy":{}"#, "load_balancing_policy"),
        (
            #""preconnectPolicy":{"perUpstreamPreconnectRatio":4}"#,
            "preconnect_policy.per_upstream_preconnect_ratio"
        ),
        (#""trackClusterStats":{"timeoutBudgets":true}"#, "track_cluster_stats.timeout_budgets"),
    ]

    @Test("what is not is refused by its path", arguments: refused)
    func refuses(fields: String, path: String) throws {
        let found = try issues(fields)
        #expect(found.count == 1 && found[0].hasPrefix(path), "\(found)")
    }
}
