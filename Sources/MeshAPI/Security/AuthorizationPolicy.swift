/// `security.istio.io` AuthorizationPolicy: which requests a workload lets in.
package struct AuthorizationPolicy: Sendable, Equatable {
    package enum Action: String, CaseIterable, Sendable {
        case allow = "ALLOW"
        case deny = "DENY"
        case audit = "AUDIT"
        case custom = "CUSTOM"
    }

    package var metadata: ObjectMeta
    /// Labels of the workloads; nil means the whole namespace (or mesh, in the root namespace).
    package var selector: [String: String]?
    package var targets: [PolicyTarget]
    package var action: Action
    /// Extension provider that decides, for `custom`.
    package var provider: String?
    package var rules: [AuthorizationRule]
    /// Evaluated and reported, but never decides.
    package var isDryRun: Bool

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec")
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        targets = PolicyTarget.all(in: spec)
        action = spec.choice("action") ?? .allow
        rules = spec.objects("rules")
        let provider = spec.child("provider")
        self.provider = spec.has("provider") ? provider.requiredString("name") : nil
        let dryRun = metadata.annotations["istio.io/dry-run"]
        isDryRun = dryRun == "true"
        if let dryRun, !["true", "false"].contains(dryRun) {
            document.error("metadata", "annotation istio.io/dry-run must be \"true\" or \"false\", found \"\(dryRun)\"")
        }
        if action == .custom {
            if self.provider == nil { spec.error(nil, "provider is required for action CUSTOM") }
            for rule in rules { rule.checkForCustom(spec) }
        } else if self.provider != nil {
            spec.error("provider", "only action CUSTOM has a provider")
        }
        if action == .deny, !spec.has("rules") {
            spec.error(nil, "rules is required for action DENY: without rules nothing is denied")
        }
    }
}

/// A rule holds when one of `from`, one of `to` and all of `when` hold; an empty part holds always.
package struct AuthorizationRule: ObjectDecodable {
    package var location: SourceLocation
    package var from: [AuthorizationSource]
    package var to: [AuthorizationOperation]
    package var when: [AuthorizationCondition]

    package init(_ reader: ObjectReader) {
        location = reader.location
        from = reader.objects("from", Part<AuthorizationSource>.self).compactMap(\.value)
        to = reader.objects("to", Part<AuthorizationOperation>.self).compactMap(\.value)
        when = reader.objects("when")
        for key in ["from", "to", "when"] where reader.has(key) && reader.elements(key).isEmpty {
            reader.error(key, "must not be empty when it is given")
        }
    }

    /// An external authorizer is asked before identities from tokens are known.
    func checkForCustom(_ spec: ObjectReader) {
        let report = { (location: SourceLocation, message: String) in
            spec.context.report(.error, at: location, path: spec.path(of: "rules"), message)
        }
        for source in from {
            let used = ["namespaces", "principals", "requestPrincipals"].filter { key in
                !(source.values[key] ?? []).isEmpty || !(source.notValues[key] ?? []).isEmpty
            }
            if let key = used.first { report(source.location, "\(key) cannot be used with action CUSTOM") }
        }
        for condition in when {
            let key = condition.key
            if key == "source.namespace" || key == "source.principal" || key.hasPrefix("request.auth.") {
                report(condition.location, "condition \(key) cannot be used with action CUSTOM")
            }
        }
    }

    /// `from: [{source: …}]` and `to: [{operation: …}]` wrap their one field.
    private struct Part<Value: AuthorizationFields>: ObjectDecodable {
        var value: Value?

        init(_ reader: ObjectReader) {
            value = reader.object(Value.wrapper)
            if !reader.has(Value.wrapper) { reader.error(nil, "\(Value.wrapper) is required") }
        }
    }
}

/// Lists of texts by field, of which the negative form `notX` exists for most.
protocol AuthorizationFields: ObjectDecodable {
    static var wrapper: String { get }
}

/// Who sends a request.
package struct AuthorizationSource: AuthorizationFields {
    static let wrapper = "source"
    private static let fields = [
        "principals", "requestPrincipals", "namespaces", "ipBlocks", "remoteIpBlocks", "serviceAccounts",
        "trustDomains",
    ]

    package var location: SourceLocation
    /// By field name; all fields must hold, of a field's values one.
    package var values: [String: [String]]
    /// By the same names; none of these values may hold.
    package var notValues: [String: [String]]

    package init(_ reader: ObjectReader) {
        location = reader.location
        (values, notValues) = AuthorizationLists.read(Self.fields, reader)
        for key in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
            AddressRules.checkSubnets(reader.strings(key), key: key, reader)
        }
        for account in (values["serviceAccounts"] ?? []) + (notValues["serviceAccounts"] ?? []) {
            let parts = account.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count > 2 || parts.contains("") {
                reader.error("serviceAccounts", "\"\(account)\" is not a service account: use name or namespace/name")
            }
        }
        if values["serviceAccounts"] != nil, values["principals"] != nil || values["namespaces"] != nil {
            reader.error("serviceAccounts", "cannot be used together with principals or namespaces")
        }
    }
}

/// What a request asks for.
package struct AuthorizationOperation: AuthorizationFields {
    static let wrapper = "operation"

    package var location: SourceLocation
    package var values: [String: [String]]
    package var notValues: [String: [String]]

    package init(_ reader: ObjectReader) {
        location = reader.location
        (values, notValues) = AuthorizationLists.read(["hosts", "ports", "methods", "paths"], reader)
        for key in ["ports", "notPorts"] {
            for port in reader.strings(key) where !(Int(port).map { (1...65535).contains($0) } ?? port.isEmpty) {
                reader.error(key, "\"\(port)\" is not a port")
            }
        }
    }
}

/// A condition on an attribute of the request.
package struct AuthorizationCondition: ObjectDecodable {
    package var location: SourceLocation
    package var key: String
    package var values: [String]
    package var notValues: [String]

    package init(_ reader: ObjectReader) {
        location = reader.location
        key = reader.requiredString("key")
        values = reader.strings("values")
        notValues = reader.strings("notValues")
        if !key.isEmpty, !Self.isKnown(key) {
            let bracket = key.firstIndex(of: "[") ?? key.endIndex
            let near = Suggestion.nearest(to: String(key[..<bracket]), among: Self.names + Self.indexed)
            let hint = near.map { "; did you mean \"\($0)\(key[bracket...])\"?" } ?? ""
            reader.error("key", "unknown attribute \"\(key)\"\(hint)")
        }
        if values.isEmpty, notValues.isEmpty { reader.error(nil, "one of values, notValues must be set") }
        for (field, list) in [("values", values), ("notValues", notValues)] where list.contains("") {
            reader.error(field, "a value must not be empty")
        }
        if ["source.ip", "remote.ip", "destination.ip"].contains(key) {
            AddressRules.checkSubnets(values, key: "values", reader)
            AddressRules.checkSubnets(notValues, key: "notValues", reader)
        }
        if key == "destination.port" {
            for (field, list) in [("values", values), ("notValues", notValues)] {
                for port in list where !(Int(port).map { (1...65535).contains($0) } ?? port.isEmpty) {
                    reader.error(field, "\"\(port)\" is not a port")
                }
            }
        }
    }

    private static let names = [
        "source.ip", "remote.ip", "source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain",
        "request.auth.principal", "request.auth.audiences", "request.auth.presenter", "destination.ip",
        "destination.port", "connection.sni",
    ]
    private static let indexed = ["request.headers", "request.auth.claims"]

    private static func isKnown(_ key: String) -> Bool {
        if names.contains(key) { return true }
        guard let bracket = key.firstIndex(of: "["), key.hasSuffix("]") else { return false }
        let parts = key[bracket...].dropFirst().dropLast().split(separator: "][", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0.contains("[") || $0.contains("]") }) else { return false }
        switch key[..<bracket] {
        case "request.auth.claims": return true
        case "request.headers": return parts.count == 1
        case let filter: return filter.hasPrefix("experimental.envoy.filters.") && parts.count == 1
        }
    }
}

/// Reads the lists of a source or an operation with their negative forms.
enum AuthorizationLists {
    static func read(
        _ fields: [String],
        _ reader: ObjectReader
    ) -> (values: [String: [String]], notValues: [String: [String]]) {
        var result: (values: [String: [String]], notValues: [String: [String]]) = ([:], [:])
        for field in fields {
            let negative = "not" + field.prefix(1).uppercased() + field.dropFirst()
            for key in [field, negative] where reader.has(key) {
                let list = reader.strings(key)
                if list.isEmpty { reader.error(key, "must not be empty when it is given") }
                if list.contains("") { reader.error(key, "a value must not be empty") }
                if key == field { result.values[field] = list } else { result.notValues[field] = list }
            }
            _ = (reader.has(field), reader.has(negative))
        }
        if reader.keys.isEmpty { reader.error(nil, "must have at least one field") }
        return result
    }
}
