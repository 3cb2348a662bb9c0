/// What is said over a mesh's control socket: one JSON object a line, a request and then answers.
package struct ControlRequest: Codable, Sendable {
    package enum Operation: String, Codable, Sendable {
        /// Answered by a snapshot.
        case status
        /// Stops the mesh.
        case stop
        /// Runs a command in a pod. Brings three descriptors; answered by `started` and `exit`.
        case exec
        /// Runs a command as a pod of its own. Brings three descriptors; answered by `note`, `started` and `exit`.
        case run
        /// Sends a signal to the command of this connection.
        case signal
    }

    package var operation: Operation
    /// Whether somebody looks at rates.
    package var watching: Bool?
    package var workload: String?
    package var words: [String]?
    package var environment: [String: String]?
    package var directory: String?
    package var signal: Int32?
    package var guest: Guest?

    /// What `martlet run` says of its pod.
    package struct Guest: Codable, Sendable {
        package var service: String
        package var namespace: String
        package var labels: [String: String]
        package var serviceAccount: String?
        package var port: UInt16?
        package var sidecar: Bool
        /// WorkloadGroup of the namespace that it is a member of, in the place of a service.
        package var group: String?

        package init(
            service: String,
            namespace: String,
            labels: [String: String],
            serviceAccount: String?,
            port: UInt16?,
            sidecar: Bool,
            group: String? = nil
        ) {
            self.group = group
            self.service = service
            self.namespace = namespace
            self.labels = labels
            self.serviceAccount = serviceAccount
            self.port = port
            self.sidecar = sidecar
        }
    }

    package init(_ operation: Operation) {
        self.operation = operation
    }
}

package struct ControlAnswer: Codable, Sendable {
    package var error: String?
    package var view: MeshView?
    package var note: String?
    package var started: Bool?
    package var exit: Int32?

    package init() {}
}
