extension Gateway {
    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        selector = spec.stringMap("selector")
        servers = spec.objects("servers")
        NameRules.checkLabels(selector, key: "selector", spec)
        if servers.isEmpty { spec.error(nil, "servers is required: at least one server") }
        var names: Set<String> = []
        for server in servers {
            guard let port = server.port, !port.name.isEmpty, !names.insert(port.name).inserted else { continue }
            spec.context.report(
                .error,
                at: port.location,
                path: spec.path(of: "servers"),
                "port names in servers must be unique: \"\(port.name)\" is given twice"
            )
        }
    }
}

/// What a server of a gateway must satisfy.
enum GatewayRules {
    static func check(_ server: Server, _ reader: ObjectReader) {
        if server.hosts.isEmpty { reader.error(nil, "hosts is required: at least one host") }
        for host in server.hosts { check(host, reader) }
        let isSocket = server.bind?.hasPrefix("unix://") ?? false
        if let bind = server.bind, !bind.isEmpty, !isSocket, !AddressRules.isAddress(bind) {
            reader.error("bind", "\"\(bind)\" is not an IP address or unix:// path")
        }
        if reader.has("defaultEndpoint") {
            reader.error("defaultEndpoint", "not possible in a Gateway: it belongs to the ingress of a Sidecar")
        }
        guard let port = server.port else {
            if !reader.has("port") { reader.error(nil, "port is required") }
            return
        }
        if isSocket, port.number != 0 {
            reader.error("port", "port number must be 0 for unix domain socket \(server.bind ?? "")")
        }
        if !isSocket, port.number == 0 { reader.error("port", "port number must be between 1 and 65535") }
        if port.transport.needsTLS, server.tls == nil {
            reader.error(nil, "a server of protocol \(port.transport.rawValue) must have TLS settings (tls)")
        }
        if !port.transport.needsTLS, let tls = server.tls, !tls.httpsRedirect || tls.mode != .passthrough {
            reader.error(
                "tls", "a server of protocol \(port.transport.rawValue) cannot have TLS settings but httpsRedirect")
        }
        if port.transport.needsTLS, server.tls?.httpsRedirect == true {
            reader.warning("tls", "tls.httpsRedirect should only be used with HTTP servers")
        }
    }

    /// `namespace/dnsName` or `dnsName`.
    private static func check(_ host: Located<String>, _ reader: ObjectReader) {
        let report = { (message: String) in
            reader.context.report(.error, at: host.location, path: reader.path(of: "hosts"), message)
        }
        let parts = host.value.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { return report("\"\(host.value)\" is not a host: use name or namespace/name") }
        if parts.count == 2, parts[0] != "*", parts[0] != ".", !NameRules.isLabel(parts[0]) {
            report("invalid namespace value \"\(parts[0])\": use a namespace, \".\" (this one) or \"*\" (any)")
        }
        let name = String(parts[parts.count - 1])
        if !AddressRules.isAddress(name), let fault = HostRules.faultOfWildcard(name) { report(fault) }
    }
}

/// What TLS settings of a gateway server must satisfy together.
enum ServerTLSRules {
    static func check(_ tls: ServerTLSSettings, _ reader: ObjectReader) {
        let isSet = { (text: String?) in !(text ?? "").isEmpty }
        let hasCredential = isSet(tls.credentialName?.value) || !tls.credentialNames.isEmpty
        let hasFiles = isSet(tls.serverCertificate) || isSet(tls.privateKey)
        checkVersions(tls, reader)
        checkSources(tls, hasFiles: hasFiles, reader)
        switch tls.mode {
        case .passthrough, .autoPassthrough:
            for key in ["credentialName", "credentialNames", "serverCertificate", "privateKey", "caCertificates"]
            where reader.has(key) {
                reader.warning(key, "\(tls.mode.rawValue) mode does not use certificates, \(key) is ignored")
            }
        case .istioMutual:
            if isSet(tls.serverCertificate) || !tls.tlsCertificates.isEmpty {
                reader.error("serverCertificate", "ISTIO_MUTUAL TLS cannot have associated server certificate")
            }
            if isSet(tls.privateKey) {
                reader.error("privateKey", "ISTIO_MUTUAL TLS cannot have associated private key")
            }
            if isSet(tls.caCertificates) {
                reader.error("caCertificates", "ISTIO_MUTUAL TLS cannot have associated CA bundle")
            }
            if hasCredential {
                reader.error("credentialName", "ISTIO_MUTUAL TLS cannot have associated credentialName")
            }
        case .simple, .mutual, .optionalMutual:
            if tls.mode == .simple, isSet(tls.caCRL) {
                reader.error("caCrl", "CRL is not supported with SIMPLE TLS")
            }
            if !hasCredential { checkFiles(tls, reader) }
        }
    }

    private static func checkSources(_ tls: ServerTLSSettings, hasFiles: Bool, _ reader: ObjectReader) {
        let sources = [
            ("credentialName", reader.string("credentialName").map { !$0.isEmpty } ?? false),
            ("credentialNames", !tls.credentialNames.isEmpty),
            ("serverCertificate", !(tls.serverCertificate ?? "").isEmpty),
            ("tlsCertificates", !tls.tlsCertificates.isEmpty),
        ].filter(\.1).map(\.0)
        if sources.count > 1 {
            reader.error(
                sources[1],
                "only one of credentialName, credentialNames, serverCertificate/privateKey, tlsCertificates may be set"
            )
        }
        for (key, count) in [
            ("credentialNames", tls.credentialNames.count), ("tlsCertificates", tls.tlsCertificates.count),
        ]
        where count > 2 {
            reader.error(key, "at most two (one RSA, one ECDSA) are possible, found \(count)")
        }
    }

    private static func checkFiles(_ tls: ServerTLSSettings, _ reader: ObjectReader) {
        let isMissing = { (text: String?) in (text ?? "").isEmpty }
        let mode = tls.mode.rawValue
        if tls.tlsCertificates.isEmpty {
            if isMissing(tls.serverCertificate) {
                reader.error("serverCertificate", "\(mode) TLS requires a server certificate (or credentialName)")
            }
            if isMissing(tls.privateKey) {
                reader.error("privateKey", "\(mode) TLS requires a private key (or credentialName)")
            }
        }
        for certificate in tls.tlsCertificates {
            if isMissing(certificate.serverCertificate) {
                reader.error("tlsCertificates", "\(mode) TLS requires a server certificate in each entry")
            }
            if isMissing(certificate.privateKey) {
                reader.error("tlsCertificates", "\(mode) TLS requires a private key in each entry")
            }
        }
        if tls.mode != .simple, isMissing(tls.caCertificates), tls.caCertCredentialName == nil {
            reader.error("caCertificates", "\(mode) TLS requires a client CA bundle (or credentialName)")
        }
    }

    private static func checkVersions(_ tls: ServerTLSSettings, _ reader: ObjectReader) {
        let order = ServerTLSSettings.Version.allCases
        if let low = order.firstIndex(of: tls.minProtocolVersion),
            let high = order.firstIndex(of: tls.maxProtocolVersion),
            tls.maxProtocolVersion != .auto, low > high
        {
            reader.error("minProtocolVersion", "is above maxProtocolVersion")
        }
        var seen: Set<String> = []
        for suite in tls.cipherSuites where !seen.insert(suite).inserted {
            reader.warning("cipherSuites", "\(suite) is given twice")
        }
    }
}
