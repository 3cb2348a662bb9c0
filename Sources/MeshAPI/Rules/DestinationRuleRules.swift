extension DestinationRule {
    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        host = spec.requiredLocated("host")
        trafficPolicy = spec.object("trafficPolicy")
        subsets = spec.objects("subsets")
        exportTo = spec.locatedStrings("exportTo")
        workloadSelector = spec.object("workloadSelector", LabelSelector.self)?.matchLabels
        if host.value.isEmpty == false, !AddressRules.isAddress(host.value),
            let fault = HostRules.faultOfWildcard(host.value)
        {
            spec.error("host", fault)
        }
        HostRules.checkExportTo(exportTo, spec)
        var names: Set<String> = []
        for subset in subsets where !names.insert(subset.name).inserted {
            spec.context.report(
                .error,
                at: subset.location,
                path: spec.path(of: "subsets"),
                "duplicate subset name \"\(subset.name)\""
            )
        }
    }
}

/// `{matchLabels: {…}}`.
struct LabelSelector: ObjectDecodable {
    var matchLabels: [String: String]

    init(_ reader: ObjectReader) {
        matchLabels = reader.stringMap("matchLabels")
        if reader.has("matchExpressions") {
            reader.error(
                "matchExpressions", "Istio's selectors have matchLabels only; more workloads would be selected")
        }
        for (name, value) in matchLabels.sorted(by: { $0.key < $1.key }) {
            if name.isEmpty { reader.error("matchLabels", "a label needs a name") }
            if name.contains("*") || value.contains("*") {
                reader.error("matchLabels", "wildcard is not supported in selector: \(name)=\(value)")
            }
        }
    }
}

/// What TLS settings of a client must satisfy together.
enum ClientTLSRules {
    static func check(_ tls: ClientTLSSettings, _ reader: ObjectReader) {
        let isSet = { (text: String?) in !(text ?? "").isEmpty }
        let hasCredential = isSet(tls.credentialName?.value)
        if tls.insecureSkipVerify == true {
            if tls.mode == .simple {
                if isSet(tls.caCertificates) { conflict("caCertificates") }
                if isSet(tls.caCRL) { conflict("caCrl") }
                if hasCredential { conflict("credentialName") }
            }
            if !tls.subjectAltNames.isEmpty { conflict("subjectAltNames") }
        }
        func conflict(_ key: String) {
            reader.error(key, "cannot be set when insecureSkipVerify is true: it would not be checked")
        }
        switch tls.mode {
        case .istioMutual:
            for key in ["clientCertificate", "privateKey", "caCertificates", "credentialName"]
            where isSet(reader.string(key)) {
                reader.error(key, "cannot be set for mode ISTIO_MUTUAL: the mesh's own certificates are used")
            }
        case .mutual where hasCredential:
            for key in ["clientCertificate", "privateKey", "caCertificates"] where isSet(reader.string(key)) {
                reader.error(key, "cannot be set together with credentialName")
            }
        case .mutual:
            if !isSet(tls.clientCertificate) {
                reader.error(nil, "clientCertificate (or credentialName) is required for mode MUTUAL")
            }
            if !isSet(tls.privateKey) {
                reader.error(nil, "privateKey (or credentialName) is required for mode MUTUAL")
            }
        case .simple, .disable: break
        }
    }
}
