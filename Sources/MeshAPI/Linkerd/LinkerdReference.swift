/// A resource that another one of Linkerd's names.
package struct LinkerdReference: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case server = "Server"
        case httpRoute = "HTTPRoute"
        case grpcRoute = "GRPCRoute"
        case namespace = "Namespace"
        case meshTLSAuthentication = "MeshTLSAuthentication"
        case networkAuthentication = "NetworkAuthentication"
        case serviceAccount = "ServiceAccount"
        case service = "Service"
        case egressNetwork = "EgressNetwork"
        case gateway = "Gateway"

        /// The API groups that have such a kind, the usual one first; `core` is the one without a name.
        fileprivate var groups: [String] {
            switch self {
            case .server, .meshTLSAuthentication, .networkAuthentication, .egressNetwork: [LinkerdReference.group]
            case .httpRoute: [LinkerdReference.group, "gateway.networking.k8s.io"]
            case .grpcRoute, .gateway: ["gateway.networking.k8s.io"]
            case .namespace, .serviceAccount, .service: ["core"]
            }
        }
    }

    fileprivate static let group = "policy.linkerd.io"

    package var location: SourceLocation
    /// nil beside an error: a kind that cannot stand there.
    package var kind: Kind?
    /// `core` is the one without a name.
    package var group: String
    package var name: String
    package var namespace: String?

    /// One of Martlet's own: an HTTPRoute of another group is another one.
    package var isLinkerds: Bool { group == Self.group }

    fileprivate init(_ reader: ObjectReader, among kinds: [Kind], usualGroup: String) {
        location = reader.location
        let text = reader.requiredString("kind")
        kind = kinds.first { $0.rawValue.lowercased() == text.lowercased() }
        name = reader.requiredString("name")
        namespace = reader.string("namespace").flatMap { $0.isEmpty ? nil : $0 }
        for key in ["port", "sectionName"] { reader.notSupported(key, "a Server has one port") }
        let given = reader.string("group").flatMap { $0.isEmpty ? nil : $0.lowercased() }
        let groups = kind?.groups ?? []
        group = given ?? groups.first ?? ""
        if kind == nil, !text.isEmpty {
            let names = kinds.map(\.rawValue)
            reader.error(
                "kind",
                "\"\(text)\" cannot stand here: expected one of \(names.joined(separator: ", "))"
                    + Suggestion.clause(for: text, among: names))
        } else if let given, kind != nil, !groups.contains(given) {
            reader.error(
                "group", "there is no \(text) in the group \(given): expected \(groups.joined(separator: " or "))")
            kind = nil
        } else if given == nil, kind != nil, !groups.contains(usualGroup) {
            reader.warning(nil, "without a group Linkerd looks in \(usualGroup): add group: \(group)")
        }
    }

    /// A service account; without a namespace, of the policy's own.
    package struct Account: ObjectDecodable, Equatable {
        package var name: String
        package var namespace: String?

        package init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            namespace = reader.string("namespace")
        }
    }
}

extension ObjectReader {
    /// - Parameter usualGroup: the group of references that name none.
    func references(
        _ key: String, among kinds: [LinkerdReference.Kind], usualGroup: String = "core"
    ) -> [LinkerdReference] {
        elements(key).compactMap { path, node in
            reference(node, path: path, among: kinds, usualGroup: usualGroup)
        }
    }

    func reference(_ key: String, among kinds: [LinkerdReference.Kind]) -> LinkerdReference? {
        node(key).flatMap { reference($0, path: path(of: key), among: kinds, usualGroup: "core") }
    }

    private func reference(
        _ node: ConfigNode, path: String, among kinds: [LinkerdReference.Kind], usualGroup: String
    ) -> LinkerdReference? {
        guard case .mapping(let entries) = node.content else {
            context.report(
                .error, at: context.location(node.position), path: path,
                "expected a mapping, found \(node.kindDescription)")
            return nil
        }
        let reader = ObjectReader(
            entries: entries, position: node.position, path: path, context: context, unknownFields: unknownFields)
        defer { reader.finish() }
        return LinkerdReference(reader, among: kinds, usualGroup: usualGroup)
    }
}
