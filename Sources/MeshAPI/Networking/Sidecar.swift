/// `networking.istio.io` Sidecar: what the proxies of a namespace or of some workloads see and serve.
package struct Sidecar: Sendable, Equatable {
    package enum OutboundMode: String, CaseIterable, Sendable {
        case registryOnly = "REGISTRY_ONLY"
        case allowAny = "ALLOW_ANY"
    }

    package enum CaptureMode: String, CaseIterable, Sendable {
        case standard = "DEFAULT"
        case iptables = "IPTABLES"
        case none = "NONE"
    }

    package struct Port: ObjectDecodable {
        package var location: SourceLocation
        package var number: Int
        package var name: String
        /// Empty when it is to be found out from the bytes.
        package var transport: String

        package init(_ reader: ObjectReader) {
            location = reader.location
            number = reader.int("number", in: 0...65535) ?? 0
            name = reader.string("name") ?? ""
            transport = (reader.string("protocol") ?? "").uppercased()
            reader.accept("targetPort")
            let known = Server.Port.Transport.allCases.map(\.rawValue) + ["UDP", "REDIS", "MYSQL", "HTTP_PROXY"]
            if !transport.isEmpty, !known.contains(transport) {
                reader.error("protocol", "unsupported protocol: expected one of \(known.joined(separator: ", "))")
            }
        }
    }

    package struct Ingress: ObjectDecodable {
        package var location: SourceLocation
        package var port: Port?
        package var bind: String?
        package var captureMode: CaptureMode
        package var defaultEndpoint: String?
        package var tls: ServerTLSSettings?
        package var connectionPool: ConnectionPoolSettings?

        package init(_ reader: ObjectReader) {
            location = reader.location
            port = reader.object("port")
            bind = reader.string("bind")
            captureMode = reader.choice("captureMode") ?? .standard
            defaultEndpoint = reader.string("defaultEndpoint")
            tls = reader.object("tls")
            connectionPool = reader.object("connectionPool")
            SidecarRules.check(self, reader)
        }
    }

    package struct Egress: ObjectDecodable {
        package var location: SourceLocation
        package var port: Port?
        package var bind: String?
        package var captureMode: CaptureMode
        /// `namespace/dnsName`
        package var hosts: [Located<String>]

        package init(_ reader: ObjectReader) {
            location = reader.location
            port = reader.object("port")
            bind = reader.string("bind")
            captureMode = reader.choice("captureMode") ?? .standard
            hosts = reader.locatedStrings("hosts")
            SidecarRules.check(self, reader)
        }
    }

    package struct OutboundPolicy: ObjectDecodable {
        package var mode: OutboundMode
        package var egressProxy: Destination?

        package init(_ reader: ObjectReader) {
            mode = reader.choice("mode") ?? .registryOnly
            egressProxy = reader.object("egressProxy")
            guard let egressProxy else { return }
            if mode != .allowAny { reader.error("egressProxy", "can be set with mode ALLOW_ANY only") }
            if egressProxy.port == nil { reader.error("egressProxy", "port is required") }
        }
    }

    package var metadata: ObjectMeta
    package var workloadSelector: [String: String]?
    package var ingress: [Ingress]
    package var egress: [Egress]
    package var outboundTrafficPolicy: OutboundPolicy?
    package var inboundConnectionPool: ConnectionPoolSettings?

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        workloadSelector = spec.object("workloadSelector", ServiceEntry.WorkloadLabels.self)?.labels
        ingress = spec.objects("ingress")
        egress = spec.objects("egress")
        outboundTrafficPolicy = spec.object("outboundTrafficPolicy")
        inboundConnectionPool = spec.object("inboundConnectionPool")
        SidecarRules.check(self, spec)
    }
}
