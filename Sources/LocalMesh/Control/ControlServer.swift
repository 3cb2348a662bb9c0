import FoundationEssentials
import Glibc
import Synchronization

/// Answers on the mesh's control socket.
package struct ControlServer: Sendable {
    private let mesh: Mesh
    private let listener: Int32
    private let stop: @Sendable () -> Void

    /// - Parameter stop: what `martlet down` causes.
    package init(mesh: Mesh, listener: Int32, stop: @escaping @Sendable () -> Void) {
        self.mesh = mesh
        self.listener = listener
        self.stop = stop
    }

    package func start() {
        BackgroundThread.start { [self] in
            while true {
                let socket = accept(listener, nil, nil)
                guard socket >= 0 else {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    return
                }
                let connection = ControlConnection(socket: socket)
                BackgroundThread.start { serve(connection) }
            }
        }
    }

    private func serve(_ connection: ControlConnection) {
        do {
            while let (request, descriptors) = try connection.receive(ControlRequest.self) {
                let done = DispatchGate()
                let mesh = mesh
                let command = CommandHandle()
                let isCommand = request.operation == .exec || request.operation == .run
                Task {
                    await answer(request, descriptors, on: connection, command: command)
                    done.open()
                }
                if isCommand {
                    // Signals and the end of the client, while its command runs.
                    followClient(of: connection, command: command, mesh: mesh)
                    done.wait()
                    return
                }
                done.wait()
                if request.operation == .stop { stop() }
            }
        } catch {
            // A client that speaks nonsense or left in the middle is no concern of the mesh.
        }
    }

    private func followClient(of connection: ControlConnection, command: CommandHandle, mesh: Mesh) {
        let children = mesh.children
        while let (request, descriptors) = try? connection.receive(ControlRequest.self) {
            for descriptor in descriptors { close(descriptor) }
            if let signal = request.signal { command.signal(signal, children) }
        }
        command.clientLeft(children)
    }

    private func answer(
        _ request: ControlRequest,
        _ descriptors: [Int32],
        on connection: ControlConnection,
        command: CommandHandle
    ) async {
        defer { for descriptor in descriptors { close(descriptor) } }
        var answer = ControlAnswer()
        do {
            switch request.operation {
            case .status:
                if request.watching == true { await mesh.isBeingWatched() }
                answer.view = await mesh.view()
            case .stop: answer.note = "stopping"
            case .signal: break
            case .exec: answer.exit = try await execute(request, descriptors, on: connection, command: command)
            case .run: answer.exit = try await run(request, descriptors, on: connection, command: command)
            }
        } catch {
            answer.error = "\(error)"
        }
        try? connection.send(answer)
        if answer.exit != nil || (answer.error != nil && request.words != nil) { connection.shutdown() }
    }

    private func execute(
        _ request: ControlRequest,
        _ descriptors: [Int32],
        on connection: ControlConnection,
        command: CommandHandle
    ) async throws -> Int32 {
        let pod = try await mesh.pod(called: request.workload ?? "")
        return try await run(request, descriptors, in: pod, isApplication: false, on: connection, command: command)
    }

    private func run(
        _ request: ControlRequest,
        _ descriptors: [Int32],
        in pod: Pod,
        isApplication: Bool,
        on connection: ControlConnection,
        command: CommandHandle
    ) async throws -> Int32 {
        guard descriptors.count == 3 else {
            throw LocalMeshError.invalid(what: "the request", reason: "it brings no standard input and output")
        }
        let child = try await pod.execute(
            words: request.words ?? [],
            environment: (request.environment ?? [:]).map { EnvironmentVariable($0.key, $0.value) },
            directory: request.directory,
            descriptors: descriptors,
            isApplication: isApplication
        )
        command.set(child, mesh.children)
        var started = ControlAnswer()
        started.started = true
        try? connection.send(started)
        return await mesh.children.end(of: child).shellCode
    }

    private func run(
        _ request: ControlRequest,
        _ descriptors: [Int32],
        on connection: ControlConnection,
        command: CommandHandle
    ) async throws -> Int32 {
        guard let guest = request.guest else {
            throw LocalMeshError.invalid(what: "the request", reason: "it names no service")
        }
        let pod = try await mesh.join(guest)
        do {
            try await mesh.waitUntilProxyIsReady(pod, guest, command: command)
            var note = ControlAnswer()
            note.note = "\(pod.title) has joined the mesh as \(pod.address)"
            try? connection.send(note)
            await pod.applicationStarted(port: guest.port)
            let exit = try await run(
                request, descriptors, in: pod, isApplication: true, on: connection, command: command)
            await mesh.leave(pod, guest)
            return exit
        } catch {
            await mesh.leave(pod, guest)
            throw error
        }
    }
}

/// The process that a connection has started, for signals from its client.
package final class CommandHandle: Sendable {
    private struct State {
        var child: Int32?
        var isAbandoned = false
    }

    private let state = Mutex(State())

    var isAbandoned: Bool { state.withLock(\.isAbandoned) }

    func set(_ child: Int32, _ children: ChildProcesses) {
        let abandoned = state.withLock { state in
            state.child = child
            return state.isAbandoned
        }
        if abandoned { children.signal(child, SIGTERM) }
    }

    func signal(_ signal: Int32, _ children: ChildProcesses) {
        if let child = state.withLock(\.child) { children.signal(child, signal) }
    }

    /// Nobody is there any more to read what the command writes.
    func clientLeft(_ children: ChildProcesses) {
        let child = state.withLock { state in
            state.isAbandoned = true
            return state.child
        }
        guard let child else { return }
        children.signal(child, SIGTERM)
        Task {
            try? await Task.sleep(for: .seconds(5))
            children.signal(child, SIGKILL)
        }
    }
}

/// Lets a thread wait for a task.
package final class DispatchGate: @unchecked Sendable {  // SAFETY: several threads may use a POSIX semaphore.
    // SAFETY: made in `init` and destroyed in `deinit`, never moved.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    package init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    package func open() { sem_post(semaphore) }

    package func wait() {
        while sem_wait(semaphore) != 0 && errno == EINTR {}
    }
}
