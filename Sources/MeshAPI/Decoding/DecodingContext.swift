/// Checks a regular expression in the dialect that the data plane runs (RE2). Returns what is wrong, or nil.
package typealias RegexCheck = @Sendable (String) -> String?

/// A type that is read from a mapping. Reading never fails as a whole: each fault goes to the reader's diagnostics, and a
/// document with an error yields no resource.
package protocol ObjectDecodable: Sendable, Equatable {
    init(_ reader: ObjectReader)
}

/// What the readers of one document share: its file, its resource's name and the findings so far.
package final class DecodingContext {
    package let file: String
    package let limits: Limits
    package let regexCheck: RegexCheck
    /// `Kind namespace/name`, as soon as it is known.
    package var resource: String?
    package private(set) var diagnostics: [Diagnostic] = []

    package init(file: String, limits: Limits, regexCheck: @escaping RegexCheck) {
        self.file = file
        self.limits = limits
        self.regexCheck = regexCheck
    }

    package func location(_ position: ConfigNode.Position) -> SourceLocation {
        SourceLocation(file: file, line: position.line, column: position.column)
    }

    /// Names the resource, also in the findings that came before its name was known.
    package func rename(_ resource: String) {
        self.resource = resource
        for index in diagnostics.indices { diagnostics[index].resource = resource }
    }

    package func report(_ severity: Diagnostic.Severity, at location: SourceLocation, path: String, _ message: String) {
        // The first error is kept whatever came before it: it decides whether there is a resource at all.
        guard diagnostics.count < limits.diagnostics || (severity == .error && !diagnostics.hasErrors) else { return }
        let finding = Diagnostic(severity, at: location, resource: resource, path: path, message)
        // A field that several rules look at is wrong once.
        if !diagnostics.contains(finding) { diagnostics.append(finding) }
    }
}

/// What a field that nobody knows is: a fault in the mesh's own kinds, a notice in Kubernetes' kinds, whose schemas grow.
package enum UnknownFields: Sendable {
    case fault, notice, accepted
}
