/// Bounds on the connections and requests to a host. Nil and zero both mean the default.
package struct ConnectionPoolSettings: ObjectDecodable {
    package struct TCP: ObjectDecodable {
        package struct Keepalive: ObjectDecodable {
            package var probes: Int?
            package var time: Duration?
            package var interval: Duration?

            package init(_ reader: ObjectReader) {
                probes = reader.int("probes")
                time = reader.duration("time")
                interval = reader.duration("interval")
            }
        }

        package var maxConnections: Int?
        package var connectTimeout: Duration?
        package var tcpKeepalive: Keepalive?
        package var maxConnectionDuration: Duration?
        package var idleTimeout: Duration?

        package init(_ reader: ObjectReader) {
            maxConnections = reader.int("maxConnections", in: 0...Int(Int32.max))
            connectTimeout = reader.duration("connectTimeout", positive: true)
            tcpKeepalive = reader.object("tcpKeepalive")
            maxConnectionDuration = reader.duration("maxConnectionDuration", positive: true)
            idleTimeout = reader.duration("idleTimeout")
        }
    }

    package struct HTTP: ObjectDecodable {
        package enum H2UpgradePolicy: String, CaseIterable, Sendable {
            case standard = "DEFAULT"
            case doNotUpgrade = "DO_NOT_UPGRADE"
            case upgrade = "UPGRADE"
        }

        package struct Keepalive: ObjectDecodable {
            package var interval: Duration
            package var timeout: Duration

            package init(_ reader: ObjectReader) {
                interval = reader.duration("interval", positive: true) ?? .zero
                timeout = reader.duration("timeout", positive: true) ?? .zero
                for key in ["interval", "timeout"] where !reader.has(key) {
                    reader.error(nil, "\(key) is required")
                }
            }
        }

        package var http1MaxPendingRequests: Int?
        package var http2MaxRequests: Int?
        package var maxRequestsPerConnection: Int?
        package var maxRetries: Int?
        package var idleTimeout: Duration?
        package var h2UpgradePolicy: H2UpgradePolicy?
        package var useClientProtocol: Bool?
        package var maxConcurrentStreams: Int?
        package var http2KeepAlive: Keepalive?

        package init(_ reader: ObjectReader) {
            let range = 0...Int(Int32.max)
            http1MaxPendingRequests = reader.int("http1MaxPendingRequests", in: range)
            http2MaxRequests = reader.int("http2MaxRequests", in: range)
            maxRequestsPerConnection = reader.int("maxRequestsPerConnection", in: range)
            maxRetries = reader.int("maxRetries", in: range)
            idleTimeout = reader.duration("idleTimeout", positive: true)
            h2UpgradePolicy = reader.choice("h2UpgradePolicy")
            useClientProtocol = reader.bool("useClientProtocol")
            maxConcurrentStreams = reader.int("maxConcurrentStreams", in: range)
            http2KeepAlive = reader.object("http2KeepAlive")
            if useClientProtocol == true, h2UpgradePolicy == .upgrade {
                reader.error("useClientProtocol", "cannot be true when h2UpgradePolicy is UPGRADE")
            }
        }
    }

    package var location: SourceLocation
    package var tcp: TCP?
    package var http: HTTP?

    package init(_ reader: ObjectReader) {
        location = reader.location
        tcp = reader.object("tcp")
        http = reader.object("http")
        if tcp == nil, http == nil { reader.error(nil, "connectionPool must have tcp or http") }
    }
}
