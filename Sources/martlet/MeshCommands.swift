import ArgumentParser
import Foundation
import LocalMesh

/// `martlet down`: stops a mesh, also one whose supervisor was killed.
struct DownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Stop a local mesh and all its processes.")

    @OptionGroup var selection: MeshSelection

    func run() async throws {
        let state = try selection.state
        let wasThere = try await BackgroundThread.run { try state.stopMesh(within: .seconds(15)) }
        print(wasThere ? "mesh '\(selection.mesh)' is stopped" : "mesh '\(selection.mesh)' was not running")
    }
}

/// `martlet status`: the mesh in a table.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show services, pods, proxies and what is wrong with the configuration.")

    @OptionGroup var selection: MeshSelection

    @Flag(help: "Print everything as JSON.")
    var json = false

    func run() async throws {
        let client = try selection.client
        let view = try await BackgroundThread.run { try client.view(watching: true) }
        if json { return print(String(decoding: try JSONText.encode(view, pretty: true), as: UTF8.self)) }
        print(MeshReport(view).lines(withRates: true).joined(separator: "\n"))
    }
}

/// `martlet logs`: what a workload, its proxy or the control plane has written.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Show the logs of a pod or workload, of 'control-plane' or of 'supervisor'.")

    @Argument(help: "Pod or workload, NAME or NAMESPACE/NAME; 'control-plane'; 'supervisor'.")
    var workload: String

    @OptionGroup var selection: MeshSelection

    @Flag(name: .shortAndLong, help: "Go on showing what is added.")
    var follow = false

    @Option(name: [.customShort("c"), .customLong("container")], help: "app, proxy or access.")
    var part: LogFiles.Part = .app

    func run() async throws {
        let files = try LogFiles(try selection.state).find(workload, part: part)
        var tails = files.map { LogTail(path: $0.path) }
        repeat {
            for index in tails.indices {
                let bytes = tails[index].next()
                guard !bytes.isEmpty else { continue }
                if files.count == 1 {
                    FileHandle.standardOutput.write(Data(bytes))
                } else {
                    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
                    {
                        FileHandle.standardOutput.write(Data("\(files[index].title): ".utf8 + line + [10]))
                    }
                }
            }
            if follow { try await Task.sleep(for: .milliseconds(200)) }
        } while follow
    }
}

extension LogFiles.Part: ExpressibleByArgument {}
