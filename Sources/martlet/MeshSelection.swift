import ArgumentParser
import Foundation
import LocalMesh

/// Which mesh a command is about.
struct MeshSelection: ParsableArguments {
    @Option(help: "Name of the mesh.")
    var mesh: String = "default"

    @Option(help: "Folder where the mesh keeps its state. (default: ~/.local/state/martlet/MESH)")
    var stateDir: String?

    func validate() throws {
        guard mesh.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }), !mesh.isEmpty else {
            throw ValidationError("--mesh '\(mesh)': letters, digits and - only")
        }
    }

    var state: StateDirectory {
        get throws {
            if let stateDir { return StateDirectory(path: CommandPaths.absolute(stateDir)) }
            return try StateDirectory.standard(mesh: mesh, environment: ProcessInfo.processInfo.environment)
        }
    }

    /// The running mesh, or the error that says that it does not run.
    var client: MeshClient {
        get throws {
            guard let client = MeshClient(try state) else { throw LocalMeshError.notRunning(mesh: mesh) }
            return client
        }
    }
}

enum CommandPaths {
    static func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.path
    }

    /// This program.
    static var executable: String {
        Files.linkTarget("/proc/self/exe") ?? absolute(CommandLine.arguments.first ?? "martlet")
    }
}
