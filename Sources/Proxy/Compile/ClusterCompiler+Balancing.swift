import LoadBalancing
import SwiftProtobuf
import XDS

private typealias Message = Envoy_Config_Cluster_V3_Cluster

/// `lb_policy` with its options, or `load_balancing_policy`, as one `BalancerSpec`.
struct BalancingCompiler {
    private(set) var spec = BalancerSpec()
    private(set) var isClusterProvided = false
    private(set) var hashesHostnames = false
    private(set) var issues: [CompileIssue] = []

    init(_ cluster: Envoy_Config_Cluster_V3_Cluster) {
        let common = cluster.commonLbConfig
        if common.hasHealthyPanicThreshold {
            let threshold = common.healthyPanicThreshold.value
            if (0...100).contains(threshold) {
                spec.panicThresholdPercent = UInt8(threshold)
            } else {
                refuse("common_lb_config.healthy_panic_threshold", "must be between 0 and 100")
            }
        }
        if case .localityWeightedLbConfig? = common.localityConfigSpecifier { spec.localityWeighted = true }
        hashesHostnames = common.consistentHashingLbConfig.useHostnameForHashing
        if cluster.hasLoadBalancingPolicy {
            read(cluster.loadBalancingPolicy, path: "load_balancing_policy")
        } else {
            read(cluster)
        }
    }

    private mutating func refuse(_ path: String, _ message: String) {
        issues.append(CompileIssue(path: path, message: message))
    }

    // MARK: lb_policy

    private mutating func read(_ cluster: Message) {
        switch cluster.lbPolicy {
        case .leastRequest:
            let options = cluster.leastRequestLbConfig
            setLeastRequest(
                options.hasChoiceCount ? options.choiceCount.value : 2,
                options.hasActiveRequestBias ? options.activeRequestBias.defaultValue : 1, "least_request_lb_config")
            if options.hasSlowStartConfig {
                setSlowStart(options.slowStartConfig, "least_request_lb_config.slow_start_config")
            }
        case .random: spec.policy = .random
        case .ringHash:
            let options = cluster.ringHashLbConfig
            setRing(
                options.hasMinimumRingSize ? options.minimumRingSize.value : 1024,
                options.hasMaximumRingSize ? options.maximumRingSize.value : 8 << 20, "ring_hash_lb_config")
            if options.hashFunction == .murmurHash2 { spec.hashFunction = .murmur2 }
        case .maglev:
            setMaglev(
                cluster.maglevLbConfig.hasTableSize ? cluster.maglevLbConfig.tableSize.value : 65_537,
                "maglev_lb_config")
        case .clusterProvided: isClusterProvided = true
        case .loadBalancingPolicyConfig:
            refuse("lb_policy", "LOAD_BALANCING_POLICY_CONFIG needs load_balancing_policy")
        default:
            let options = cluster.roundRobinLbConfig
            if options.hasSlowStartConfig {
                setSlowStart(options.slowStartConfig, "round_robin_lb_config.slow_start_config")
            }
        }
    }

    private mutating func setLeastRequest(_ choices: UInt32, _ bias: Double, _ path: String) {
        if choices < 2 || choices > 255 { refuse(path + ".choice_count", "must be 2 to 255") }
        let isBias = bias >= 0 && bias.isFinite
        if !isBias { refuse(path + ".active_request_bias", "must be a number, and not negative") }
        spec.policy = .leastRequest(choices: UInt8(clamping: max(2, choices)))
        spec.activeRequestBias = isBias ? bias : 1
    }

    private mutating func setRing(_ minimum: UInt64, _ maximum: UInt64, _ path: String) {
        // A table is built to look whether a cluster is good: with a refused size it never is.
        if maximum > 8 << 20 { return refuse(path + ".maximum_ring_size", "must not exceed 8388608") }
        if minimum > maximum { return refuse(path + ".minimum_ring_size", "exceeds maximum_ring_size, \(maximum)") }
        spec.policy = .ringHash(minimumSize: UInt32(clamping: minimum), maximumSize: UInt32(clamping: maximum))
    }

    private mutating func setMaglev(_ size: UInt64, _ path: String) {
        if size > 5_000_011 { return refuse(path + ".table_size", "must not exceed 5000011") }
        if !Self.isPrime(size) { return refuse(path + ".table_size", "\(size) is not a prime number") }
        spec.policy = .maglev(tableSize: UInt32(clamping: size))
    }

    private static func isPrime(_ number: UInt64) -> Bool {
        guard number > 2 else { return number == 2 }
        var divisor: UInt64 = 2
        while divisor * divisor <= number {
            if number % divisor == 0 { return false }
            divisor += 1
        }
        return true
    }

    private mutating func setSlowStart(_ message: Message.SlowStartConfig, _ path: String) {
        setSlowStart(
            message.slowStartWindow, message.hasAggression ? message.aggression.defaultValue : 1,
            message.hasMinWeightPercent ? message.minWeightPercent.value : 10, path)
    }

    private mutating func setSlowStart(
        _ window: Google_Protobuf_Duration, _ aggression: Double, _ minimum: Double, _ path: String
    ) {
        guard aggression > 0, aggression.isFinite else { return refuse(path + ".aggression", "must be above 0") }
        guard (0...100).contains(minimum) else {
            return refuse(path + ".min_weight_percent", "must be between 0 and 100")
        }
        let time = milliseconds(window, path: path + ".slow_start_window", fallback: 0, issues: &issues)
        if time > 0 {
            spec.slowStart = BalancerSpec.SlowStart(
                window: UInt64(time), aggression: max(0.01, aggression), minimumPercent: minimum)
        }
    }

    // MARK: load_balancing_policy

    private mutating func read(_ policy: Envoy_Config_Cluster_V3_LoadBalancingPolicy, path: String) {
        // The first one that is known counts, as for Envoy.
        for (index, entry) in policy.policies.enumerated() {
            let place = "\(path).policies[\(index)].typed_extension_config.typed_config"
            if read(entry.typedExtensionConfig.typedConfig, place) { return }
        }
        refuse(path, "names no load balancing policy that is supported")
    }

    private mutating func read(_ any: Google_Protobuf_Any, _ path: String) -> Bool {
        if any.isA(Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin.self) {
            readRoundRobin(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest.self) {
            readLeastRequest(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random.self) {
            readRandom(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash.self) {
            readRingHash(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev.self) {
            readMaglev(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_WrrLocality_V3_WrrLocality.self) {
            readLocality(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_PeakEwma_V3alpha_PeakEwma.self) {
            readPeakEWMA(any, path)
        } else if any.isA(Envoy_Extensions_LoadBalancingPolicies_ClusterProvided_V3_ClusterProvided.self) {
            isClusterProvided = true
        } else {
            return false
        }
        return true
    }

    private mutating func readRoundRobin(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin.self, path: path,
                issues: &issues)
        else { return }
        spec.policy = .roundRobin
        readLocality(message.localityLbConfig)
        if message.hasSlowStartConfig { setSlowStart(message.slowStartConfig, path + ".slow_start_config") }
    }

    private mutating func readLeastRequest(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest.self, path: path,
                issues: &issues)
        else { return }
        setLeastRequest(
            message.hasChoiceCount ? message.choiceCount.value : 2,
            message.hasActiveRequestBias ? message.activeRequestBias.defaultValue : 1, path)
        readLocality(message.localityLbConfig)
        if message.hasSlowStartConfig { setSlowStart(message.slowStartConfig, path + ".slow_start_config") }
    }

    private mutating func readRandom(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random.self, path: path, issues: &issues)
        else { return }
        spec.policy = .random
        readLocality(message.localityLbConfig)
    }

    private mutating func readRingHash(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash.self, path: path, issues: &issues)
        else { return }
        setRing(
            message.hasMinimumRingSize ? message.minimumRingSize.value : 1024,
            message.hasMaximumRingSize ? message.maximumRingSize.value : 8 << 20, path)
        if message.hashFunction == .murmurHash2 { spec.hashFunction = .murmur2 }
        hashesHostnames =
            message.consistentHashingLbConfig.useHostnameForHashing || message.useHostnameForHashing
        if message.hasLocalityWeightedLbConfig { spec.localityWeighted = true }
    }

    private mutating func readMaglev(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev.self, path: path, issues: &issues)
        else { return }
        setMaglev(message.hasTableSize ? message.tableSize.value : 65_537, path)
        hashesHostnames = message.consistentHashingLbConfig.useHostnameForHashing
        if message.hasLocalityWeightedLbConfig { spec.localityWeighted = true }
    }

    private mutating func readLocality(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_WrrLocality_V3_WrrLocality.self, path: path,
                issues: &issues)
        else { return }
        read(message.endpointPickingPolicy, path: path + ".endpoint_picking_policy")
        spec.localityWeighted = true
    }

    private mutating func readPeakEWMA(_ any: Google_Protobuf_Any, _ path: String) {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_LoadBalancingPolicies_PeakEwma_V3alpha_PeakEwma.self, path: path,
                issues: &issues)
        else { return }
        let decay =
            message.hasDecayTime
            ? milliseconds(message.decayTime, path: path + ".decay_time", fallback: 10_000, issues: &issues) : 10_000
        if decay == 0 { refuse(path + ".decay_time", "must be above 0s") }
        spec.policy = .peakEWMA(decay: UInt64(max(1, decay)) * 1_000_000, initial: 10_000_000)
    }

    private mutating func readLocality(
        _ message: Envoy_Extensions_LoadBalancingPolicies_Common_V3_LocalityLbConfig
    ) {
        if case .localityWeightedLbConfig? = message.localityConfigSpecifier { spec.localityWeighted = true }
    }

    private mutating func setSlowStart(
        _ message: Envoy_Extensions_LoadBalancingPolicies_Common_V3_SlowStartConfig, _ path: String
    ) {
        setSlowStart(
            message.slowStartWindow, message.hasAggression ? message.aggression.defaultValue : 1,
            message.hasMinWeightPercent ? message.minWeightPercent.value : 10, path)
    }
}
