internal import Dispatch
internal import Glibc
internal import Synchronization

/// Tells when something happened in one of a set of folders (inotify). What happened is found out by looking again.
final class FileWatcher: Sendable {
    private struct State {
        var watches: [String: Int32] = [:]
        var events = 0
        var isComplete = true
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    // SAFETY: set once in `init`; afterwards only cancelled, which Dispatch allows from any thread.
    private nonisolated(unsafe) let source: (any DispatchSourceRead)?
    private let continuation: AsyncStream<Void>.Continuation
    /// One element after any number of events.
    let ticks: AsyncStream<Void>

    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
    )

    init() {
        (ticks, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        descriptor = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard descriptor >= 0 else {
            source = nil
            state.withLock { $0.isComplete = false }
            return
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        self.source = source
        let descriptor = descriptor
        source.setEventHandler { [weak self] in self?.drain() }
        source.setCancelHandler { close(descriptor) }
        source.activate()
    }

    deinit {
        source?.cancel()
        continuation.finish()
    }

    /// Number of events so far: two equal readings mean that nothing happened in between.
    var events: Int { state.withLock(\.events) }

    /// False when some folder cannot be watched, so that polling has to help.
    var isComplete: Bool { state.withLock(\.isComplete) }

    func watch(_ folders: Set<String>) {
        guard descriptor >= 0 else { return }
        state.withLock { state in
            for (folder, watch) in state.watches where !folders.contains(folder) {
                inotify_rm_watch(descriptor, watch)
                state.watches[folder] = nil
            }
            state.isComplete = true
            for folder in folders {
                // Adding a watch again is how a folder that was replaced by another of its name is found.
                let watch = inotify_add_watch(descriptor, folder, Self.mask)
                if watch >= 0 { state.watches[folder] = watch } else { state.isComplete = false }
            }
        }
    }

    func tick() {
        state.withLock { $0.events += 1 }
        continuation.yield()
    }

    private func drain() {
        // The names in the events do not matter, only that there were some.
        var sawEvent = false
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) > 0 { sawEvent = true }
        }
        if sawEvent { tick() }
    }
}
