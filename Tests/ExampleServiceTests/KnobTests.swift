import ExampleService
import Testing

@Suite struct KnobTests {
    @Test(arguments: [
        ("150ms", Duration.milliseconds(150)), ("1.5s", .milliseconds(1500)), ("20us", .microseconds(20)),
        ("2m", .seconds(120)), ("1h", .seconds(3600)), ("0", .zero),
    ])
    func durationsAreRead(_ text: String, _ expected: Duration) throws {
        #expect(try parseDuration(text) == expected)
    }

    @Test(arguments: ["", "5", "ms", "-1s", "2h", "nans", "1 s"])
    func otherTextsAreNoDurations(_ text: String) {
        #expect(throws: ServiceError.self) { try parseDuration(text) }
    }

    @Test(arguments: [
        ("50ms", Latency.fixed(.milliseconds(50))),
        ("uniform(10ms, 100ms)", .uniform(.milliseconds(10), .milliseconds(100))),
        ("normal(50ms,10ms)", .normal(mean: .milliseconds(50), deviation: .milliseconds(10))),
        ("exponential(50ms)", .exponential(mean: .milliseconds(50))),
    ])
    func latenciesAreRead(_ text: String, _ expected: Latency) throws {
        #expect(try Latency(text: text) == expected)
    }

    @Test(arguments: ["uniform(100ms,10ms)", "pareto(1s)", "normal(1s)"])
    func impossibleLatenciesAreRefused(_ text: String) {
        #expect(throws: ServiceError.self) { try Latency(text: text) }
    }

    @Test(arguments: ["uniform(10ms,30ms)", "normal(20ms,4ms)", "exponential(20ms)"])
    func samplesAverageToTheMean(_ text: String) throws {
        let latency = try Latency(text: text)
        var generator = SplitMix(state: 42)
        var sum = Duration.zero
        for _ in 0..<20_000 {
            let sample = latency.sample(using: &generator)
            #expect(sample >= .zero)
            sum += sample
        }
        let mean = sum / 20_000
        #expect(mean > .milliseconds(19) && mean < .milliseconds(21), "\(mean)")
    }

    @Test(arguments: [
        ("http://reviews:9080/reviews/0", nil, "reviews:9080", "/reviews/0"),
        ("http://reviews", nil, "reviews", "/"),
        ("/productpage=http://details:9080/details/0", "/productpage", "details:9080", "/details/0"),
        ("http://next:8080{path}", nil, "next:8080", "/a?b=1"),
    ])
    func upstreamsAreRead(_ text: String, _ prefix: String?, _ authority: String, _ target: String) throws {
        let rule = try UpstreamRule(text: text)
        #expect(rule.pathPrefix == prefix)
        #expect(rule.authority == authority)
        #expect(rule.target(for: "/a?b=1") == target)
    }

    @Test(arguments: ["reviews", "https://reviews", "http://", "http://a:0", "http://a:x/", "/p=reviews"])
    func otherTextsAreNoUpstreams(_ text: String) {
        #expect(throws: ServiceError.self) { try UpstreamRule(text: text) }
    }

    @Test(arguments: [("/a", true), ("/a?x=1", true), ("/a/b", true), ("/ab", false), ("/", false)])
    func aPathRuleCoversThePathAndWhatLiesBelow(_ target: String, _ expected: Bool) throws {
        #expect(try UpstreamRule(text: "/a=http://b/").applies(to: target) == expected)
    }

    @Test func theEnvironmentSetsNamesPortsUpstreamsAndKnobs() throws {
        let options = try ServiceOptions(environment: [
            "SERVICE_NAME": "reviews", "SERVICE_VERSION": "v3", "PORT": "9080", "HOSTNAME": "reviews-v3-0",
            "UPSTREAMS": "http://ratings:9080/,http://details:9080/", "EXAMPLE_ERROR_RATE": "5%",
            "EXAMPLE_ERROR": "stall",
        ])
        #expect(options.name == "reviews")
        #expect(options.version == "v3")
        #expect(options.port == 9080)
        #expect(options.instance == "reviews-v3-0")
        #expect(options.upstreams.map(\.host) == ["ratings", "details"])
        #expect(options.behaviour.errorRate == 0.05)
        #expect(options.behaviour.failure == .stall)
    }

    @Test func aBadVariableIsNamed() {
        #expect(throws: ServiceError.invalid("EXAMPLE_FAIL_FIRST: fail-first \"x\" is not a count")) {
            try ServiceOptions(environment: ["EXAMPLE_FAIL_FIRST": "x"])
        }
    }
}

/// A generator with a seed, so that a failure repeats.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
