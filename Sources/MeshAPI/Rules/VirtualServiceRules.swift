extension VirtualService {
    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        hosts = spec.locatedStrings("hosts")
        gateways = spec.locatedStrings("gateways")
        http = spec.objects("http")
        tls = spec.objects("tls")
        tcp = spec.objects("tcp")
        exportTo = spec.locatedStrings("exportTo")
        VirtualServiceRules.check(self, spec)
    }
}

/// What a VirtualService must satisfy as a whole.
enum VirtualServiceRules {
    static func check(_ service: VirtualService, _ spec: ObjectReader) {
        HostRules.checkExportTo(service.exportTo, spec)
        checkGateways(service.gateways, spec)
        if service.http.isEmpty, service.tls.isEmpty, service.tcp.isEmpty, !spec.has("http") {
            spec.error(nil, "one of http, tls, tcp must be set")
        }
        if service.isDelegate { checkDelegate(service, spec) } else { checkHosts(service, spec) }
        checkClaims(service, spec)
        checkServerNames(service, spec)
        checkReachable(service.http, spec)
    }

    /// `name` or `namespace/name`.
    static func checkGateways(_ gateways: [Located<String>], _ reader: ObjectReader) {
        for gateway in gateways {
            let parts = gateway.value.split(separator: "/", omittingEmptySubsequences: false)
            let report = { (severity: Diagnostic.Severity, message: String) in
                reader.context.report(severity, at: gateway.location, path: reader.path(of: "gateways"), message)
            }
            if parts.count > 2 || parts.contains("") {
                report(.error, "\"\(gateway.value)\" is not a gateway: use name or namespace/name")
            } else if parts.count == 2, !NameRules.isLabel(parts[0]) {
                report(.error, "\"\(parts[0])\" is not a namespace: use name or namespace/name")
            } else if let fault = HostRules.faultOfName(String(parts[parts.count - 1])) {
                report(.error, fault)
            } else if parts.count == 1, gateway.value.contains(".") {
                report(
                    .warning,
                    "using a dotted name for a gateway is deprecated: write \(gateway.value) as namespace/name"
                )
            }
        }
    }

    private static func checkDelegate(_ service: VirtualService, _ spec: ObjectReader) {
        if !service.gateways.isEmpty {
            spec.error("gateways", "a VirtualService without hosts (a delegate) has no gateways")
        }
        if !service.tls.isEmpty || !service.tcp.isEmpty {
            spec.error(
                spec.has("tls") ? "tls" : "tcp", "a VirtualService without hosts (a delegate) has http rules only")
        }
        for rule in service.http {
            let report = { (message: String) in
                spec.context.report(.error, at: rule.location, path: spec.path(of: "http"), message)
            }
            if rule.delegate != nil { report("a delegate cannot delegate again") }
            for match in rule.match {
                if !match.gateways.isEmpty { report("gateways cannot be matched in a delegate") }
                if !match.sourceLabels.isEmpty { report("sourceLabels cannot be matched in a delegate") }
            }
        }
    }

    private static func checkHosts(_ service: VirtualService, _ spec: ObjectReader) {
        let path = spec.path(of: "hosts")
        for host in service.hosts {
            if host.value == "*" {
                if service.appliesToSidecars {
                    spec.context.report(
                        .error,
                        at: host.location,
                        path: path,
                        "the wildcard host * is not allowed for the mesh gateway: name hosts, or list other gateways only"
                    )
                }
                continue
            }
            let fault =
                service.appliesToSidecars
                ? HostRules.faultOfWildcard(host.value) : HostRules.faultOfServerName(host.value)
            if let fault, !AddressRules.isAddress(host.value) {
                spec.context.report(.error, at: host.location, path: path, fault)
            }
        }
        for (index, host) in service.hosts.enumerated() {
            let earlier = service.hosts[..<index].first { HostRules.overlap($0.value, host.value) }
            guard let earlier, !earlier.value.isEmpty else { continue }
            spec.context.report(
                .error,
                at: host.location,
                path: path,
                "duplicate hosts: \"\(host.value)\" overlaps \"\(earlier.value)\""
            )
        }
    }

    private static func checkClaims(_ service: VirtualService, _ spec: ObjectReader) {
        guard service.appliesToSidecars, !service.isDelegate else { return }
        for rule in service.http {
            for match in rule.match
            where match.gateways.isEmpty || match.gateways.contains(where: { $0.value == "mesh" }) {
                let claims = (match.headers + match.withoutHeaders).filter { HTTPMatchRules.isClaim($0.name) }
                guard let claim = claims.first else { continue }
                spec.context.report(
                    .error,
                    at: match.location,
                    path: spec.path(of: "http"),
                    "routing by the claim \"\(claim.name)\" works on gateways only: list gateways without mesh"
                )
            }
        }
    }

    private static func checkServerNames(_ service: VirtualService, _ spec: ObjectReader) {
        for name in service.tls.flatMap(\.match).flatMap(\.sniHosts) {
            guard !service.hosts.contains(where: { HostRules.isSubset(name.value, of: $0.value) }) else { continue }
            spec.context.report(
                .error,
                at: name.location,
                path: spec.path(of: "tls"),
                "SNI host \"\(name.value)\" is not among the hosts of the VirtualService"
            )
        }
    }

    private static func checkReachable(_ rules: [HTTPRoute], _ spec: ObjectReader) {
        guard let last = rules.firstIndex(where: { $0.match.isEmpty || $0.match.contains(where: \.isCatchAll) }) else {
            return
        }
        for rule in rules[(last + 1)...] {
            spec.context.report(
                .warning,
                at: rule.location,
                path: spec.path(of: "http"),
                "this rule is never used: the rule at line \(rules[last].location.line) takes every request"
            )
        }
    }
}
