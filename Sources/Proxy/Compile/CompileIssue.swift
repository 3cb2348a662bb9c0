/// A field of a received resource that cannot be honoured: the reason of a NACK, or of refusing a bootstrap file.
package struct CompileIssue: Sendable, Hashable, CustomStringConvertible {
    /// The field's path from the resource on, for instance `filter_chains[0].transport_socket.typed_config.sni`.
    package let path: String
    /// What is wrong with it and what to do.
    package let message: String

    package init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
