/// One finding about configuration: what is wrong, where, and what to do about it.
package struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    package enum Severity: String, Hashable, Sendable {
        /// The resource (or file) is not usable; the last good version stays in force.
        case error
        /// The resource is used, but something in it has no effect or is likely a mistake.
        case warning
    }

    package var severity: Severity
    package var location: SourceLocation
    /// The resource concerned, `Kind namespace/name`, or nil when the document could not be read that far.
    package var resource: String?
    /// Path of the field inside the resource, such as `spec.http[0].route[1].weight`; empty for the whole.
    package var path: String
    package var message: String

    package init(
        _ severity: Severity,
        at location: SourceLocation,
        resource: String? = nil,
        path: String = "",
        _ message: String
    ) {
        self.severity = severity
        self.location = location
        self.resource = resource
        self.path = path
        self.message = message
    }

    /// `file:line:column: error: VirtualService default/reviews: spec.http[0].timeout: …`
    package var description: String {
        var text = "\(location): \(severity.rawValue): "
        if let resource { text += "\(resource): " }
        if !path.isEmpty { text += "\(path): " }
        return text + message
    }
}

extension Sequence<Diagnostic> {
    package var hasErrors: Bool { contains { $0.severity == .error } }
}
