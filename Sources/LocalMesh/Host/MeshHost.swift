import CLinux
import FoundationEssentials
import Glibc
import Synchronization

/// The host's side of a mesh: holds the lock and the line to the inner process, opens ports for it, and ends with it.
///
/// The inner process ends when this one does, however that happens: it reads from a pipe that only this process holds open, and
/// the kernel kills it when the thread that started it is gone.
package final class MeshHost: Sendable {
    private let state: StateDirectory
    package let process: Int32
    private let lock: Int32
    private let lifeline: Int32
    private let outcome: Outcome

    /// Starts the mesh, or says why it cannot.
    package init(_ options: MeshInitOptions, ports: HostPorts, environment: [String: String]) throws(LocalMeshError) {
        state = options.state
        try state.create()
        guard let lock = try Self.lock(state) else {
            throw .alreadyRunning(mesh: options.mesh, process: state.lockHolder ?? 0)
        }
        self.lock = lock
        state.clean()
        try state.ensureTokenKey()
        try Files.makeFolder(state.guests, mode: 0o700)
        try Files.makeFolder(state.pods, mode: 0o700)
        let control = try ControlConnection.listen(at: state.controlSocket)
        var pair: [Int32] = [-1, -1]
        var pipe: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0, &pair) == 0,
            socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pipe) == 0
        else { throw Files.failure("making the line to the mesh") }
        let log = try Files.openLog(state.supervisorLog)
        lifeline = pipe[1]
        let line = pair[0]
        let inside = [log, control, pair[1], pipe[0]]
        let arguments: String
        do {
            arguments = String(decoding: try JSONText.encode(options), as: UTF8.self)
        } catch {
            throw .invalid(what: "the options", reason: "\(error)")
        }
        let request = ChildProcesses.Request(
            path: options.executable,
            words: [options.executable, MeshInitOptions.command, arguments],
            environment: environment.sorted { $0.key < $1.key }.map { EnvironmentVariable($0.key, $0.value) },
            descriptors: [-1, log, log, pair[1], control, pipe[0], lock]
        )
        let outcome = Outcome()
        self.outcome = outcome
        // The kernel ties the inner process to this very thread, which therefore stays until it ends.
        BackgroundThread.start {
            var failure = martlet_failure()
            let child = Self.spawn(request, &failure)
            for descriptor in inside { close(descriptor) }
            outcome.started(child, failure)
            guard child > 0 else { return }
            var code: Int32 = 0
            var signal: Int32 = 0
            martlet_wait(child, &code, &signal)
            outcome.ended(ProcessExit(code: code, signal: signal))
        }
        let (child, failure) = outcome.waitForStart()
        guard child > 0 else {
            close(lock)
            throw HostRequirements.explain(step: failure.step, error: failure.error, isRoot: geteuid() == 0) {
                Files.read("/proc/sys/\($0)")
            }
        }
        process = child
        BackgroundThread.start {
            ports.serve(line)
            close(line)
        }
    }

    private static func spawn(_ request: ChildProcesses.Request, _ failure: inout martlet_failure) -> Int32 {
        let isRoot = geteuid() == 0
        return request.withSpawn { spawn in
            var spawn = spawn
            let child = martlet_spawn_init(&spawn, isRoot ? 0 : 1, &failure)
            // Root of a container may lack the right that an ordinary user gets in a user namespace.
            if child < 0, isRoot, failure.error == EPERM { return martlet_spawn_init(&spawn, 1, &failure) }
            return child
        }
    }

    /// A mesh that was killed needs a moment to go; one that runs does not go.
    private static func lock(_ state: StateDirectory) throws(LocalMeshError) -> Int32? {
        for _ in 0..<20 {
            if let lock = try state.takeLock() { return lock }
            if let holder = state.lockHolder, kill(holder, 0) == 0 { return nil }
            usleep(100_000)
        }
        return nil
    }

    /// Waits until the mesh has ended; throws what it left as the reason.
    package func wait() async throws {
        let outcome = outcome
        let exit = await BackgroundThread.run { outcome.waitForEnd() }
        let reason = Files.read(state.failure)
        for path in [state.controlSocket, state.configurationSocket] { unlink(path) }
        if let reason { throw LocalMeshError.ended(what: "the mesh", how: "could not start: \(reason)") }
        guard exit.succeeded else {
            throw LocalMeshError.ended(what: "the mesh", how: "\(exit); see \(state.supervisorLog)")
        }
    }

    package var hasEnded: Bool { outcome.hasEnded }

    /// Asks the mesh to stop, and makes it stop when it does not.
    package func stop(within limit: Duration) async {
        if let connection = ControlConnection.connect(to: state.controlSocket) {
            try? connection.send(ControlRequest(.stop))
        }
        let end = ContinuousClock.now.advanced(by: limit)
        while !outcome.hasEnded, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(20)) }
        if !outcome.hasEnded { kill(process, SIGKILL) }
    }
}

/// What became of the inner process, told from one thread to others.
private final class Outcome: Sendable {
    private struct State {
        var start: (Int32, Int32, Int32)?
        var exit: ProcessExit?
    }

    private let state = Mutex(State())
    private let startGate = DispatchGate()
    private let endGate = DispatchGate()

    func started(_ child: Int32, _ failure: martlet_failure) {
        state.withLock { $0.start = (child, failure.step, failure.error) }
        startGate.open()
    }

    func waitForStart() -> (Int32, martlet_failure) {
        startGate.wait()
        let (child, step, error): (Int32, Int32, Int32) = state.withLock { $0.start ?? (-1, 0, 0) }
        return (child, martlet_failure(step: step, error: error))
    }

    func ended(_ exit: ProcessExit) {
        state.withLock { $0.exit = exit }
        endGate.open()
    }

    func waitForEnd() -> ProcessExit {
        endGate.wait()
        endGate.open()
        return state.withLock { $0.exit } ?? ProcessExit(code: -1, signal: 0)
    }

    var hasEnded: Bool { state.withLock { $0.exit != nil } }
}
