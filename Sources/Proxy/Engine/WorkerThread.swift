internal import CLinux
internal import Glibc

/// A thread of the operating system for one worker: workers block in epoll and must not hold a thread of Swift's pool.
enum WorkerThread {
    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    struct StartError: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs `body` on a new detached thread.
    static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(StartError) {
        var thread = pthread_t()
        // SAFETY: the box is retained here and released by the thread that takes it, exactly once.
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
            throw StartError(description: "cannot start thread \(name): \(String(cString: strerror(code)))")
        }
        pthread_detach(thread)
    }
}
