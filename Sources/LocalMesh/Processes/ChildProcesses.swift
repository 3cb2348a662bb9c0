import CLinux
import Glibc
import Synchronization

/// Starts processes and learns how they end. Process 1 of the mesh also inherits every orphan, so it waits for all children in
/// one place.
package final class ChildProcesses: Sendable {
    private struct State {
        var waiting: [Int32: [CheckedContinuation<ProcessExit, Never>]] = [:]
        var ended: [Int32: ProcessExit] = [:]
        var living: Set<Int32> = []
        var reaping = false
    }

    private let state = Mutex(State())
    /// Held while a child is being started and entered in the books: its end cannot be seen before its beginning.
    private let gate = Mutex(())

    package init() {}

    /// What to start. Everything but the descriptors is copied.
    package struct Request: Sendable {
        package var path: String
        package var words: [String]
        package var environment: [EnvironmentVariable]
        package var directory: String?
        /// `descriptors[i]` becomes descriptor `i`; -1 is /dev/null.
        package var descriptors: [Int32]
        package var namespaces: PodNamespaces?
        package var dropCapabilities: Bool
        /// A folder that is empty for the process.
        package var hiddenFolder: String?

        package init(
            path: String,
            words: [String],
            environment: [EnvironmentVariable],
            directory: String? = nil,
            descriptors: [Int32],
            namespaces: PodNamespaces? = nil,
            dropCapabilities: Bool = false,
            hiddenFolder: String? = nil
        ) {
            self.path = path
            self.words = words
            self.environment = environment
            self.directory = directory
            self.descriptors = descriptors
            self.namespaces = namespaces
            self.dropCapabilities = dropCapabilities
            self.hiddenFolder = hiddenFolder
        }
    }

    package func start(_ request: Request) throws(LocalMeshError) -> Int32 {
        try begin("starting \(request.path)") { failure in
            request.withSpawn { spawn in
                var spawn = spawn
                return martlet_spawn(&spawn, &failure)
            }
        }
    }

    /// Enters the child that `body` makes into the books.
    func begin(_ doing: String, _ body: (inout martlet_failure) -> Int32) throws(LocalMeshError) -> Int32 {
        var failure = martlet_failure()
        let child = gate.withLock { _ in
            let child = body(&failure)
            if child > 0 { state.withLock { _ = $0.living.insert(child) } }
            return child
        }
        reap()
        guard child > 0 else { throw .step(doing, failure) }
        return child
    }

    /// Waits until a child that was started here has ended. May be called any number of times.
    package func end(of child: Int32) async -> ProcessExit {
        await withCheckedContinuation { continuation in
            let known: ProcessExit? = state.withLock { state in
                if let exit = state.ended[child] { return exit }
                guard state.living.contains(child) else { return ProcessExit(code: -1, signal: 0) }
                state.waiting[child, default: []].append(continuation)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    package func isAlive(_ child: Int32) -> Bool {
        state.withLock { $0.living.contains(child) }
    }

    /// Sends a signal to the session that a child leads, if the child is still there.
    package func signal(_ child: Int32, _ signal: Int32) {
        guard isAlive(child) else { return }
        if kill(-child, signal) != 0 { kill(child, signal) }
    }

    /// Starts the thread that waits, unless it is at work. It goes when there is no child left.
    private func reap() {
        let start = state.withLock { state in
            defer { state.reaping = true }
            return !state.reaping
        }
        guard start else { return }
        BackgroundThread.start { [self] in
            while true {
                var code: Int32 = 0
                var signal: Int32 = 0
                let child = martlet_wait_any(&code, &signal)
                let exit = ProcessExit(code: code, signal: signal)
                let waiting: [CheckedContinuation<ProcessExit, Never>]? = gate.withLock { _ in
                    state.withLock { state in
                        guard child > 0 else {
                            // One may have been started since the wait returned.
                            if !state.living.isEmpty { return [] }
                            state.reaping = false
                            return nil
                        }
                        if state.living.remove(child) != nil {
                            state.ended[child] = exit
                            if state.ended.count > 4096 { state.ended.removeAll() }
                        }
                        return state.waiting.removeValue(forKey: child) ?? []
                    }
                }
                guard let waiting else { return }
                for continuation in waiting { continuation.resume(returning: exit) }
            }
        }
    }
}

extension LocalMeshError {
    static func step(_ doing: String, _ failure: martlet_failure) -> LocalMeshError {
        .system(
            doing: "\(doing): \(String(cString: martlet_step_name(failure.step)))",
            error: String(cString: strerror(failure.error))
        )
    }
}
