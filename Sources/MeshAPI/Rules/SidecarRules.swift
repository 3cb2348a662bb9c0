/// What the parts of a Sidecar must satisfy.
enum SidecarRules {
    static func check(_ sidecar: Sidecar, _ spec: ObjectReader) {
        if sidecar.ingress.isEmpty, sidecar.egress.isEmpty, sidecar.outboundTrafficPolicy == nil,
            sidecar.inboundConnectionPool == nil
        {
            spec.error(nil, "one of ingress, egress, outboundTrafficPolicy, inboundConnectionPool must be set")
        }
        checkUnique(sidecar.ingress.map { ($0.port, $0.bind) }, "ingress", spec)
        checkUnique(sidecar.egress.map { ($0.port, $0.bind) }, "egress", spec)
        for listener in sidecar.egress.dropLast() where listener.port == nil && listener.bind == nil {
            spec.context.report(
                .error,
                at: listener.location,
                path: spec.path(of: "egress"),
                "a listener without port takes what the others leave and must be the last"
            )
        }
    }

    private static func checkUnique(_ listeners: [(Sidecar.Port?, String?)], _ key: String, _ spec: ObjectReader) {
        var seen: Set<String> = []
        for case (let port?, let bind) in listeners where port.number != 0 {
            guard !seen.insert("\(bind ?? "")|\(port.number)").inserted else { continue }
            spec.context.report(
                .error,
                at: port.location,
                path: spec.path(of: key),
                "port \(port.number) is given twice"
            )
        }
    }

    static func check(_ listener: Sidecar.Egress, _ reader: ObjectReader) {
        if listener.hosts.isEmpty { reader.error(nil, "hosts is required: at least one namespace/dnsName") }
        for host in listener.hosts {
            if let fault = faultOfHost(host.value) {
                reader.context.report(.error, at: host.location, path: reader.path(of: "hosts"), fault)
            }
        }
        checkBind(listener.bind, listener.port, listener.captureMode, reader)
        if listener.bind != nil, listener.port == nil { reader.error("bind", "needs a port") }
    }

    /// `namespace/dnsName`, where the namespace may be `*`, `.` or `~`; a name with `~` before its namespace is taken out.
    private static func faultOfHost(_ host: String) -> String? {
        let parts = host.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            return "\"\(host)\" is not a host: use namespace/dnsName, with * for any"
        }
        let namespace = parts[0]
        if !["*", ".", "~"].contains(namespace), !NameRules.isLabel(namespace) {
            return "\"\(namespace)\" is not a namespace: use a name, \".\" (this one), \"*\" (any) or \"~\" (none)"
        }
        if parts[1].hasPrefix("*"), parts[1] != "*", !parts[1].hasPrefix("*.") {
            return "\"\(parts[1])\": partial wildcards are not allowed here"
        }
        return HostRules.faultOfWildcard(String(parts[1]))
    }

    static func check(_ listener: Sidecar.Ingress, _ reader: ObjectReader) {
        guard let port = listener.port else {
            reader.error(nil, "port is required")
            return
        }
        if port.number == 0 { reader.error("port", "port number must be between 1 and 65535") }
        if let bind = listener.bind, !bind.isEmpty, !AddressRules.isAddress(bind) {
            reader.error("bind", "\"\(bind)\" is not an IP address")
        }
        if let endpoint = listener.defaultEndpoint, !endpoint.isEmpty { checkEndpoint(endpoint, reader) }
        if let tls = listener.tls { check(tls, port, reader) }
    }

    private static func checkEndpoint(_ endpoint: String, _ reader: ObjectReader) {
        if endpoint.hasPrefix("unix://") {
            let path = endpoint.dropFirst("unix://".count)
            if !path.hasPrefix("/"), !path.hasPrefix("@") { reader.error("defaultEndpoint", "needs an absolute path") }
            return
        }
        guard let colon = endpoint.lastIndex(of: ":") else {
            reader.error("defaultEndpoint", "\"\(endpoint)\" is not address:port or unix://path")
            return
        }
        let address = endpoint[..<colon]
        let port = endpoint[endpoint.index(after: colon)...]
        if !["127.0.0.1", "0.0.0.0", "[::1]", "[::]"].contains(address) {
            reader.error(
                "defaultEndpoint", "must be at 127.0.0.1, [::1] (loopback) or 0.0.0.0, [::] (the pod's address)")
        }
        if !(Int(port).map { (1...65535).contains($0) } ?? false) {
            reader.error("defaultEndpoint", "\"\(port)\" is not a port")
        }
    }

    private static func check(_ tls: ServerTLSSettings, _ port: Sidecar.Port, _ reader: ObjectReader) {
        if tls.mode != .simple, tls.mode != .mutual {
            reader.error("tls", "mode \(tls.mode.rawValue) is not possible here: use SIMPLE or MUTUAL")
        }
        if !["HTTPS", "TLS"].contains(port.transport) {
            reader.error("tls", "needs a port of protocol HTTPS or TLS")
        }
        let unused: [(String, Bool)] = [
            ("httpsRedirect", tls.httpsRedirect), ("credentialName", tls.credentialName != nil),
            ("credentialNames", !tls.credentialNames.isEmpty), ("tlsCertificates", !tls.tlsCertificates.isEmpty),
            ("subjectAltNames", !tls.subjectAltNames.isEmpty && tls.mode == .simple),
        ]
        for (name, isSet) in unused where isSet { reader.error("tls", "\(name) is not supported for sidecars") }
    }

    private static func checkBind(
        _ bind: String?,
        _ port: Sidecar.Port?,
        _ mode: Sidecar.CaptureMode,
        _ reader: ObjectReader
    ) {
        guard let bind, !bind.isEmpty else {
            if let port, port.number == 0 { reader.error("port", "port number must be between 1 and 65535") }
            return
        }
        if bind.hasPrefix("unix://") {
            if let port, port.number != 0 {
                reader.error("port", "port number must be 0 for unix domain socket \(bind)")
            }
            if mode == .iptables { reader.error("captureMode", "a Unix socket cannot be captured with IPTABLES") }
        } else if !AddressRules.isAddress(bind) {
            reader.error("bind", "\"\(bind)\" is not an IP address or unix:// path")
        }
    }
}
