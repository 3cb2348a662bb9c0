/// Turns the text of a manifest file (YAML, or JSON, which YAML contains) into resources and findings.
///
/// Documents stand for themselves: an error in one yields findings and no resource for that document only.
package struct ManifestDecoder: Sendable {
    /// One resource of a file, or what could be learnt of one that is wrong.
    package struct Document: Sendable {
        /// Nil when the text could not be read as far as kind and name.
        package var key: ResourceKey?
        /// Nil when the document has an error, or when its kind is not decoded.
        package var resource: Resource?
        package var location: SourceLocation
        package var diagnostics: [Diagnostic]
        /// How many values it holds.
        package var weight = 0

        package var hasErrors: Bool { diagnostics.hasErrors }
    }

    package var defaultNamespace: String
    package var limits: Limits
    package var regexCheck: RegexCheck

    package init(
        defaultNamespace: String = "default",
        limits: Limits = Limits(),
        regexCheck: @escaping RegexCheck = RegexSyntax.fault(in:)
    ) {
        self.defaultNamespace = defaultNamespace
        self.limits = limits
        self.regexCheck = regexCheck
    }

    /// `file` is the name that locations carry.
    package func decode(_ text: String, file: String) -> [Document] {
        guard text.utf8.count <= limits.fileBytes else {
            return [broken(file, .init(line: 1, column: 1), "larger than \(limits.fileBytes) bytes")]
        }
        let parts = DocumentSplitter.split(text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text)
        guard parts.count <= limits.documents else {
            return [broken(file, .init(line: 1, column: 1), "more than \(limits.documents) documents")]
        }
        return parts.flatMap { decode($0, file: file) }
    }

    private func decode(_ part: DocumentSplitter.Part, file: String) -> [Document] {
        do throws(DocumentComposer.Failure) {
            let composed = try DocumentComposer.compose(part.text, firstLine: part.firstLine, limits: limits)
            guard let root = composed.root, !root.isNull else { return [] }
            let faults = composed.faults.map {
                Diagnostic(
                    .error, at: .init(file: file, line: $0.position.line, column: $0.position.column), $0.message)
            }
            var documents = decode(root, file: file, path: "")
            if !faults.isEmpty, !documents.isEmpty {
                documents[0].diagnostics += faults
                documents[0].resource = nil
            }
            return documents
        } catch {
            return [broken(file, error.position, error.message)]
        }
    }

    private func broken(_ file: String, _ position: ConfigNode.Position, _ message: String) -> Document {
        let location = SourceLocation(file: file, line: position.line, column: position.column)
        return Document(
            key: nil,
            resource: nil,
            location: location,
            diagnostics: [Diagnostic(.error, at: location, message)]
        )
    }

    private func decode(_ root: ConfigNode, file: String, path: String) -> [Document] {
        let context = DecodingContext(file: file, limits: limits, regexCheck: regexCheck)
        func document(_ key: ResourceKey? = nil, _ resource: Resource? = nil) -> Document {
            Document(
                key: key,
                resource: context.diagnostics.hasErrors ? nil : resource,
                location: context.location(root.position),
                diagnostics: context.diagnostics,
                weight: root.weight
            )
        }
        guard case .mapping(let entries) = root.content else {
            context.report(
                .error,
                at: context.location(root.position),
                path: path,
                "expected a resource (a mapping with apiVersion and kind), found \(root.kindDescription)"
            )
            return [document()]
        }
        if let items = root["items"], let kind = root["kind"], case .scalar(let scalar) = kind.content,
            scalar.text.hasSuffix("List"), case .sequence(let elements) = items.content
        {
            return elements.enumerated().flatMap { decode($1, file: file, path: "items[\($0)]") }
        }
        let reader = ObjectReader(
            entries: entries,
            position: root.position,
            path: path,
            context: context,
            unknownFields: .fault
        )
        guard let kind = KindRules.kind(of: reader) else { return [document()] }
        let metadata = ObjectMeta(reader, kind: kind, namespace: defaultNamespace)
        let key = ResourceKey(group: kind.group, kind: kind.name, namespace: metadata.namespace, name: metadata.name)
        context.rename(key.description)
        let resource = ResourceDecoder.decode(kind, metadata, reader)
        return [document(metadata.name.isEmpty ? nil : key, resource)]
    }
}
