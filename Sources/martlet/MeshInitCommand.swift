import ArgumentParser
import Foundation
import LocalMesh

/// The inner process of `martlet up`, which starts it in new namespaces; not for people.
struct MeshInitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: MeshInitOptions.command, shouldDisplay: false)

    @Argument var options: String

    func run() async throws {
        let options = try JSONText.decode(MeshInitOptions.self, from: Data(options.utf8))
        await MeshInit.run(options, environment: ProcessInfo.processInfo.environment)
    }
}
