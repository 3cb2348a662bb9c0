import ArgumentParser
@preconcurrency import Dispatch
import Foundation
import LocalMesh

/// `martlet exec`: a command inside a pod.
struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command inside a pod's namespaces.",
        usage: "martlet exec [--mesh MESH] WORKLOAD -- COMMAND..."
    )

    @Argument(help: "Pod, workload or service, NAME or NAMESPACE/NAME.")
    var workload: String

    @OptionGroup var selection: MeshSelection

    @Argument(parsing: .postTerminator, help: "The command.")
    var words: [String]

    func run() async throws {
        var request = ControlRequest(.exec)
        request.workload = workload
        request.words = words
        request.environment = PodCommand.terminal
        try await PodCommand.run(request, client: try selection.client)
    }
}

/// `martlet run`: a process of one's own as a pod of the mesh.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Put a sidecar around a process and join it to a running mesh, for as long as it runs.",
        usage: "martlet run (--service NAME [--port PORT] | --group NAME) -- COMMAND..."
    )

    @Option(help: "Service that the process belongs to; it is made if there is none.")
    var service: String?

    @Option(help: "WorkloadGroup that the process is a member of: labels, identity, ports and probe come from it.")
    var group: String?

    @Option(
        help: ArgumentHelp(
            "Label of the pod, besides those that the service selects. Repeatable.", valueName: "name=value"))
    var labels: [String] = []

    @Option(help: "Its identity.")
    var serviceAccount: String?

    @Option(name: .shortAndLong, help: "Its namespace.")
    var namespace: String = "default"

    @Option(help: "Port on which it listens. (default: the service's target port)")
    var port: UInt16?

    @Flag(help: "Leave out the sidecar.")
    var noSidecar = false

    @OptionGroup var selection: MeshSelection

    @Argument(parsing: .postTerminator, help: "The command.")
    var words: [String]

    func validate() throws {
        guard (service == nil) != (group == nil) else { throw ValidationError("say one of --service and --group") }
        for (option, name) in [("--service", service), ("--group", group), ("--namespace", namespace)] {
            guard let name else { continue }
            guard !name.isEmpty, name.count <= 63,
                name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
            else { throw ValidationError("\(option) '\(name)': small letters, digits and - only") }
        }
    }

    func run() async throws {
        var all: [String: String] = [:]
        for text in labels.flatMap({ $0.split(separator: ",") }) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw ValidationError("--labels '\(text)': expected NAME=VALUE")
            }
            all[String(parts[0])] = String(parts[1])
        }
        var request = ControlRequest(.run)
        request.words = words
        request.environment = ProcessInfo.processInfo.environment
        request.directory = FileManager.default.currentDirectoryPath
        request.guest = ControlRequest.Guest(
            service: service ?? group ?? "",
            namespace: namespace,
            labels: all,
            serviceAccount: serviceAccount,
            port: port,
            sidecar: !noSidecar,
            group: group
        )
        try await PodCommand.run(request, client: try selection.client)
    }
}

/// What `exec` and `run` share: the command's signals, notes and exit code are this process's.
enum PodCommand {
    static var terminal: [String: String] {
        ProcessInfo.processInfo.environment.filter { ["TERM", "COLUMNS", "LINES"].contains($0.key) }
    }

    static func run(_ request: ControlRequest, client: MeshClient) async throws {
        guard request.words?.isEmpty == false else { throw ValidationError("a command is missing: -- COMMAND...") }
        let sources = MutexBox<[any DispatchSourceSignal]>([])
        let code = try await BackgroundThread.run {
            try client.command(
                request,
                signals: { send in
                    sources.set(
                        [SIGINT, SIGTERM, SIGHUP, SIGQUIT].map { number in
                            signal(number, SIG_IGN)
                            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                            source.setEventHandler { send(number) }
                            source.resume()
                            return source
                        }
                    )
                },
                note: { FileHandle.standardError.write(Data("\($0)\n".utf8)) }
            )
        }
        for source in sources.value { source.cancel() }
        throw ExitCode(code)
    }
}
