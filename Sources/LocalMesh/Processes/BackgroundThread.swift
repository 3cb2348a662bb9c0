import EventLoop

/// Threads for calls that block: the threads of Swift's concurrency must not.
package enum BackgroundThread {
    /// Runs `body` on a thread of its own that ends with it.
    package static func start(_ body: @escaping @Sendable () -> Void) {
        do {
            try DetachedThread.start(name: "background", body)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Runs a blocking call beside the concurrency's own threads.
    package static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            start { continuation.resume(with: Result { try body() }) }
        }
    }

    package static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            start { continuation.resume(returning: body()) }
        }
    }
}
