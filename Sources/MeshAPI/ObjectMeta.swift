/// Name, labels and place of a resource.
package struct ObjectMeta: Sendable, Equatable {
    package var name: String
    /// Empty for kinds that belong to no namespace.
    package var namespace: String
    package var labels: [String: String]
    package var annotations: [String: String]
    /// RFC 3339, when the resource was read back from a cluster; older resources win ties.
    package var creationTimestamp: String?
    /// Place of the document's first key.
    package var location: SourceLocation

    package init(
        name: String,
        namespace: String,
        labels: [String: String] = [:],
        annotations: [String: String] = [:],
        creationTimestamp: String? = nil,
        location: SourceLocation
    ) {
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.annotations = annotations
        self.creationTimestamp = creationTimestamp
        self.location = location
    }

    /// Reads `metadata` of a document. `namespace` is the one for resources that name none.
    init(_ document: ObjectReader, kind: ResourceKind, namespace defaultNamespace: String) {
        let reader = document.child("metadata", required: kind.needsName)
        location = document.location
        let generateName = reader.string("generateName")
        let given = reader.string("name")
        name = given ?? generateName ?? ""
        let givenNamespace = reader.string("namespace").flatMap { $0.isEmpty ? nil : $0 }
        namespace = kind.isClusterScoped ? "" : givenNamespace ?? defaultNamespace
        labels = reader.stringMap("labels")
        annotations = reader.stringMap("annotations")
        creationTimestamp = reader.node("creationTimestamp").flatMap { node in
            if case .scalar(let scalar) = node.content { scalar.text } else { nil }
        }
        reader.accept(
            "uid", "resourceVersion", "generation", "ownerReferences", "finalizers", "managedFields", "selfLink",
            "deletionTimestamp", "deletionGracePeriodSeconds"
        )
        if document.has("metadata") {
            if name.isEmpty {
                if kind.needsName, !reader.has("name") || given == "" { reader.error(nil, "name is required") }
            } else if given != nil, kind.group != "rbac.authorization.k8s.io",
                let fault = NameRules.faultOfResourceName(name)
            {
                reader.error("name", fault)
            }
        }
        if !kind.isClusterScoped, !NameRules.isLabel(namespace) {
            reader.error("namespace", "\"\(namespace)\" is not a namespace name: lower case letters, digits and -")
        }
        NameRules.checkLabels(labels, key: "labels", reader)
    }
}

/// Identity of a resource. Unique in a mesh; a later document with the same key replaces the earlier one.
package struct ResourceKey: Hashable, Sendable, CustomStringConvertible {
    package var group: String
    package var kind: String
    package var namespace: String
    package var name: String

    package init(group: String, kind: String, namespace: String, name: String) {
        self.group = group
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// `Kind namespace/name`, or `Kind name` outside of namespaces.
    package var description: String { namespace.isEmpty ? "\(kind) \(name)" : "\(kind) \(namespace)/\(name)" }
}

extension ResourceKey: Comparable {
    package static func < (left: ResourceKey, right: ResourceKey) -> Bool {
        (left.kind, left.namespace, left.name, left.group) < (right.kind, right.namespace, right.name, right.group)
    }
}
