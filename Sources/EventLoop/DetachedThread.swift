internal import CLinux
internal import Glibc

/// Threads of the operating system, for what blocks: it must not hold a thread of Swift's pool.
package enum DetachedThread {
    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Runs `body` on a new thread, which ends with it.
    ///
    /// - Parameter name: at most 15 bytes, as `ps -T` shows it.
    /// - Throws: when the kernel gives no thread.
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(EventLoopError) {
        var thread = pthread_t()
        // SAFETY: the box is retained here and released exactly once: by the thread that takes it, or below.
        let box = Unmanaged.passRetained(Body(name, body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                // SAFETY: the argument is the box retained above.
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                martlet_thread_name(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw EventLoopError("cannot start thread \(name)", code: -code)
        }
        pthread_detach(thread)
    }

    /// What `body` answers, on a thread of its own; `fallback` when there is none.
    package static func value<Value: Sendable>(
        name: String, orElse fallback: Value, _ body: @escaping @Sendable () -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            do {
                try start(name: name) { continuation.resume(returning: body()) }
            } catch {
                continuation.resume(returning: fallback)
            }
        }
    }
}
