import ArgumentParser
import Foundation
import LocalMesh

/// `martlet up --detach`: starts the same mesh as a process of its own session and waits until it is ready.
struct DetachedMesh {
    var command: UpCommand
    var state: StateDirectory

    func start() async throws {
        if MeshClient(state) != nil {
            throw LocalMeshError.alreadyRunning(mesh: command.selection.mesh, process: state.lockHolder ?? 0)
        }
        try state.create()
        let log = open(state.upLog, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(log) }
        let executable = CommandPaths.executable
        let children = ChildProcesses()
        let process = try children.start(
            ChildProcesses.Request(
                path: executable,
                words: [executable] + command.foregroundWords(state),
                environment: ProcessInfo.processInfo.environment.map { EnvironmentVariable($0.key, $0.value) },
                descriptors: [-1, log, log]
            )
        )
        let end = ContinuousClock.now.advanced(by: .seconds(command.timeout))
        var last: MeshView?
        var seen = 0
        while true {
            guard children.isAlive(process) else {
                FileHandle.standardError.write(Data((Files.read(state.upLog) ?? "the mesh ended\n").utf8))
                throw ExitCode.failure
            }
            if let view = try? MeshClient(state)?.view(watching: false) {
                last = view
                for event in view.events where event.isError && event.number > seen {
                    FileHandle.standardError.write(Data("\(event.text)\n".utf8))
                }
                seen = view.events.last?.number ?? seen
                if view.ready { break }
            }
            guard ContinuousClock.now < end else { return try giveUp(last) }
            try await Task.sleep(for: .milliseconds(50))
        }
        if let last { print(MeshReport(last).lines(withRates: false).joined(separator: "\n")) }
        print("\nThe mesh runs in the background; `martlet down` stops it.")
    }

    private func giveUp(_ view: MeshView?) throws {
        if let view { print(MeshReport(view).lines(withRates: false).joined(separator: "\n")) }
        FileHandle.standardError.write(
            Data(
                "not everything is ready after \(command.timeout) s; the mesh goes on running, `martlet status` shows how it is\n"
                    .utf8)
        )
        throw ExitCode.failure
    }
}
