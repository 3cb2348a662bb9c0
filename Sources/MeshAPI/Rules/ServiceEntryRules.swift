/// What the parts of a ServiceEntry must satisfy together.
enum ServiceEntryRules {
    static func check(_ entry: ServiceEntry, _ spec: ObjectReader) {
        if entry.hosts.isEmpty { spec.error(nil, "hosts is required: at least one host") }
        for host in entry.hosts {
            let fault = host.value == "*" ? "the wildcard host * is not allowed" : HostRules.faultOfWildcard(host.value)
            if let fault { spec.context.report(.error, at: host.location, path: spec.path(of: "hosts"), fault) }
        }
        HostRules.checkExportTo(entry.exportTo, mayHide: true, spec)
        spec.atMostOne(of: "workloadSelector", "endpoints")
        checkPorts(entry, spec)
        checkAddresses(entry, spec)
        for endpoint in entry.endpoints { check(endpoint, of: entry, spec) }
        switch entry.resolution {
        case .none:
            if !entry.endpoints.isEmpty { spec.error("endpoints", "no endpoints may be given for resolution NONE") }
            if entry.workloadSelector != nil {
                spec.warning("workloadSelector", "has no effect with resolution NONE: use STATIC")
            }
        case .fixed: break
        case .dns, .dnsRoundRobin: checkDNS(entry, spec)
        case .dynamicDNS: checkDynamicDNS(entry, spec)
        }
    }

    private static func checkPorts(_ entry: ServiceEntry, _ spec: ObjectReader) {
        var names: Set<String> = []
        var numbers: Set<Int> = []
        for port in entry.ports {
            let report = { (severity: Diagnostic.Severity, message: String) in
                spec.context.report(severity, at: port.location, path: spec.path(of: "ports"), message)
            }
            if !names.insert(port.name).inserted { report(.error, "port name \"\(port.name)\" is given twice") }
            if !numbers.insert(port.number).inserted { report(.error, "port \(port.number) is given twice") }
            if port.targetPort != nil, entry.resolution == .none,
                !entry.endpoints.isEmpty || entry.workloadSelector == nil
            {
                report(.warning, "targetPort has no effect with resolution NONE")
            }
        }
    }

    private static func checkAddresses(_ entry: ServiceEntry, _ spec: ObjectReader) {
        AddressRules.checkSubnets(entry.addresses, key: "addresses", spec)
        for address in entry.addresses where address.contains("/") && ![.none, .fixed].contains(entry.resolution) {
            spec.error("addresses", "the block \(address) is possible with resolution NONE or STATIC only")
        }
    }

    private static func check(_ endpoint: WorkloadEntry.Spec, of entry: ServiceEntry, _ spec: ObjectReader) {
        let report = { (message: String) in
            spec.context.report(.error, at: endpoint.location, path: spec.path(of: "endpoints"), message)
        }
        let isSocket = endpoint.address.hasPrefix("unix://")
        if isSocket, entry.ports.count > 1 {
            report("a Unix socket serves one port, but the entry has \(entry.ports.count)")
        }
        for name in endpoint.ports.keys.sorted() where !entry.ports.contains(where: { $0.name == name }) {
            report("endpoint port \"\(name)\" is not among the ports of the entry")
        }
        guard !endpoint.address.isEmpty else { return }
        let isDNS = entry.resolution == .dns || entry.resolution == .dnsRoundRobin
        if isDNS, isSocket { report("a Unix socket is possible with resolution STATIC only") }
        if isDNS, !isSocket, !AddressRules.isAddress(endpoint.address),
            let fault = HostRules.faultOfName(endpoint.address)
        {
            report(fault)
        }
        if entry.resolution == .fixed, !isSocket, !AddressRules.isAddress(endpoint.address) {
            report("\"\(endpoint.address)\" is not an IP address, as resolution STATIC needs")
        }
    }

    private static func checkDNS(_ entry: ServiceEntry, _ spec: ObjectReader) {
        if entry.resolution == .dnsRoundRobin, entry.endpoints.count > 1 {
            spec.error("endpoints", "DNS_ROUND_ROBIN mode cannot have multiple endpoints")
        }
        guard entry.endpoints.isEmpty else { return }
        for host in entry.hosts where HostRules.faultOfName(host.value) != nil {
            spec.context.report(
                .error,
                at: host.location,
                path: spec.path(of: "hosts"),
                "\"\(host.value)\" cannot be looked up: without endpoints the hosts must be full names"
            )
        }
    }

    private static func checkDynamicDNS(_ entry: ServiceEntry, _ spec: ObjectReader) {
        if !entry.endpoints.isEmpty { spec.error("endpoints", "no endpoints may be given for resolution DYNAMIC_DNS") }
        for host in entry.hosts where !host.value.hasPrefix("*") {
            spec.context.report(
                .error,
                at: host.location,
                path: spec.path(of: "hosts"),
                "resolution DYNAMIC_DNS needs wildcard hosts; \"\(host.value)\" can use DNS"
            )
        }
        let allowed = ["HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "TLS"]
        for port in entry.ports where !allowed.contains(port.transport.uppercased()) {
            spec.context.report(
                .error,
                at: port.location,
                path: spec.path(of: "ports"),
                "resolution DYNAMIC_DNS needs a host name in the traffic, which \(port.transport) does not have"
            )
        }
    }
}
