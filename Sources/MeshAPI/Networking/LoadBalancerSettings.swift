/// How one endpoint is chosen among those of a host.
package struct LoadBalancerSettings: ObjectDecodable {
    package enum Simple: String, CaseIterable, Sendable {
        case unspecified = "UNSPECIFIED"
        /// Old name of `leastRequest`.
        case leastConnections = "LEAST_CONN"
        case random = "RANDOM"
        case passthrough = "PASSTHROUGH"
        case roundRobin = "ROUND_ROBIN"
        case leastRequest = "LEAST_REQUEST"
    }

    package var location: SourceLocation
    package var simple: Simple?
    package var consistentHash: ConsistentHash?
    package var localityLbSetting: LocalityLoadBalancing?
    package var warmup: Warmup?

    /// One endpoint for each client address: what a Service with `sessionAffinity: ClientIP` asks for.
    package static let clientAffinity = LoadBalancerSettings(sourceHashAt: .init(file: "", line: 1, column: 1))

    private init(sourceHashAt location: SourceLocation) {
        self.location = location
        consistentHash = ConsistentHash(at: location, key: .sourceIP)
    }

    package init(_ reader: ObjectReader) {
        location = reader.location
        simple = reader.choice("simple")
        consistentHash = reader.object("consistentHash")
        localityLbSetting = reader.object("localityLbSetting")
        warmup = reader.object("warmup")
        let oldWarmup = reader.duration("warmupDurationSecs")
        if warmup == nil, let oldWarmup {
            warmup = Warmup(location: reader.location(of: "warmupDurationSecs"), oldWarmup)
        }
        reader.notSupported("zoneAwareLbSetting", "endpoints of all zones are treated alike")
        reader.atMostOne(of: "simple", "consistentHash")
        reader.atMostOne(of: "localityLbSetting", "zoneAwareLbSetting")
        reader.atMostOne(of: "warmup", "warmupDurationSecs")
        if simple == .leastConnections {
            reader.warning("simple", "LEAST_CONN is deprecated and means LEAST_REQUEST")
        }
        if warmup != nil, consistentHash != nil || simple == .random || simple == .passthrough {
            reader.error(
                reader.has("warmup") ? "warmup" : "warmupDurationSecs",
                "warmup works with ROUND_ROBIN and LEAST_REQUEST only"
            )
        }
    }
}

/// Raises the share of new endpoints slowly.
package struct Warmup: ObjectDecodable {
    package var location: SourceLocation
    package var duration: Duration
    package var minimumPercent: Double?
    package var aggression: Double?

    package init(_ reader: ObjectReader) {
        location = reader.location
        duration = reader.duration("duration") ?? .zero
        minimumPercent = reader.double("minimumPercent", in: 0...100)
        aggression = reader.double("aggression")
        if !reader.has("duration") { reader.error(nil, "duration is required") }
        if let aggression, aggression < 1 { reader.error("aggression", "must be at least 1, found \(aggression)") }
    }

    init(location: SourceLocation, _ duration: Duration) {
        self.location = location
        self.duration = duration
    }
}

/// Sends requests with the same key to the same endpoint.
package struct ConsistentHash: ObjectDecodable {
    package struct Cookie: ObjectDecodable {
        package struct Attribute: ObjectDecodable {
            package var name: String
            package var value: String?

            package init(_ reader: ObjectReader) {
                name = reader.requiredString("name")
                value = reader.string("value")
            }
        }

        package var name: String
        package var path: String?
        /// When set the proxy makes the cookie; zero is a session cookie. Nil: the proxy never makes it.
        package var ttl: Duration?
        package var attributes: [Attribute]

        package init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            path = reader.string("path")
            ttl = reader.duration("ttl")
            attributes = reader.objects("attributes")
        }
    }

    package enum Key: Sendable, Equatable {
        case header(String)
        case cookie(Cookie)
        case sourceIP
        case queryParameter(String)
    }

    package enum Algorithm: Sendable, Equatable {
        case ringHash(minimumSize: Int)
        case maglev(tableSize: Int)
    }

    package var location: SourceLocation
    package var key: Key?
    package var algorithm: Algorithm

    package init(_ reader: ObjectReader) {
        location = reader.location
        let header = reader.string("httpHeaderName")
        let cookie = reader.object("httpCookie", Cookie.self)
        let useSourceIP = reader.bool("useSourceIp")
        let parameter = reader.string("httpQueryParameterName")
        key =
            header.map(Key.header) ?? cookie.map(Key.cookie)
            ?? (useSourceIP == true ? .sourceIP : nil) ?? parameter.map(Key.queryParameter)
        reader.exactlyOne(of: "httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")

        let oldSize = reader.int("minimumRingSize", in: 0...Int(Int64.max))
        let ring = reader.object("ringHash", RingHash.self)
        let maglev = reader.object("maglev", Maglev.self)
        reader.atMostOne(of: "ringHash", "maglev")
        algorithm =
            if let maglev { .maglev(tableSize: maglev.tableSize) } else {
                .ringHash(minimumSize: ring?.minimumRingSize ?? oldSize ?? 1024)
            }
    }

    fileprivate init(at location: SourceLocation, key: Key) {
        self.location = location
        self.key = key
        algorithm = .ringHash(minimumSize: 1024)
    }

    private struct RingHash: ObjectDecodable {
        var minimumRingSize: Int?

        init(_ reader: ObjectReader) {
            minimumRingSize = reader.int("minimumRingSize", in: 0...8_388_608)
        }
    }

    private struct Maglev: ObjectDecodable {
        var tableSize: Int

        init(_ reader: ObjectReader) {
            let given = reader.int("tableSize", in: 0...Int(Int64.max))
            tableSize = given ?? 65_537
            if given == nil {
                reader.error(nil, "tableSize is required for maglev")
            } else if tableSize >= 5_000_011 {
                reader.error("tableSize", "must be below 5000011, found \(tableSize)")
            } else if !Self.isPrime(tableSize) {
                reader.error("tableSize", "must be a prime number, found \(tableSize)")
            }
        }

        private static func isPrime(_ number: Int) -> Bool {
            guard number > 3 else { return number > 1 }
            var divisor = 2
            while divisor * divisor <= number {
                if number % divisor == 0 { return false }
                divisor += 1
            }
            return true
        }
    }
}
