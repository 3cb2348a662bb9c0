import FoundationEssentials
import Glibc

/// A mesh that runs, seen from another process. Calls block.
package struct MeshClient: Sendable {
    private let connection: ControlConnection

    /// nil: the mesh does not run.
    package init?(_ state: StateDirectory) {
        guard let connection = ControlConnection.connect(to: state.controlSocket) else { return nil }
        self.connection = connection
    }

    /// - Parameter watching: somebody looks, so that rates are worth measuring.
    package func view(watching: Bool) throws -> MeshView {
        var request = ControlRequest(.status)
        request.watching = watching
        try connection.send(request)
        guard let view = try answer().view else { throw LocalMeshError.ended(what: "the mesh", how: "gave no status") }
        return view
    }

    package func stop() throws {
        try connection.send(ControlRequest(.stop))
        _ = try connection.receive(ControlAnswer.self)
    }

    /// Runs a command with this process's standard input and output; its exit code.
    ///
    /// - Parameters:
    ///   - signals: told how to send a signal to the command, as soon as it may.
    ///   - note: told what happens on the way.
    package func command(
        _ request: ControlRequest,
        signals: (@escaping @Sendable (Int32) -> Void) -> Void,
        note: (String) -> Void
    ) throws -> Int32 {
        try connection.send(request, descriptors: [0, 1, 2])
        signals { [connection] signal in
            var message = ControlRequest(.signal)
            message.signal = signal
            try? connection.send(message)
        }
        while true {
            let answer = try answer()
            if let text = answer.note { note(text) }
            if let exit = answer.exit { return exit }
        }
    }

    private func answer() throws -> ControlAnswer {
        guard let (answer, _) = try connection.receive(ControlAnswer.self) else {
            throw LocalMeshError.ended(what: "the mesh", how: "is gone")
        }
        if let error = answer.error { throw MeshClientError(description: error) }
        return answer
    }
}

/// What the mesh refused, in its words.
package struct MeshClientError: Error, CustomStringConvertible {
    package var description: String
}
