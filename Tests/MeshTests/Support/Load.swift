import Foundation
import Synchronization

/// Requests at a steady pace from a few threads while something happens to the mesh.
final class Load: Sendable {
    /// What came of one request.
    struct Outcome: Sendable {
        /// When it was answered.
        var time: ContinuousClock.Instant
        /// Zero for a request without a whole answer.
        var status: Int
        var failure: String?
        var body: String
    }

    private struct State {
        var outcomes: [Outcome] = []
        var stopping = false
        var running = 0
    }

    private let state = Mutex(State())

    /// Starts `threads` loops; each sends a request, reads the answer, and pauses.
    init(
        port: UInt16,
        host: String,
        path: String = "/",
        headers: [String: String] = [:],
        threads: Int = 4,
        pause: Duration = .milliseconds(15)
    ) {
        state.withLock { $0.running = threads }
        for _ in 0..<threads {
            Thread.detachNewThread { [self] in
                let connection = HTTPConnection(port: port)
                let microseconds = UInt32(pause / .microseconds(1))
                while !state.withLock({ $0.stopping }) {
                    let outcome = Self.request(connection, path: path, host: host, headers: headers)
                    state.withLock { $0.outcomes.append(outcome) }
                    usleep(microseconds)
                }
                state.withLock { $0.running -= 1 }
            }
        }
    }

    deinit { state.withLock { $0.stopping = true } }

    private static func request(
        _ connection: HTTPConnection,
        path: String,
        host: String,
        headers: [String: String]
    ) -> Outcome {
        do throws(HTTPFailure) {
            let answer = try connection.get(path, host: host, headers: headers)
            return Outcome(time: .now, status: answer.status, failure: nil, body: answer.text)
        } catch {
            return Outcome(time: .now, status: 0, failure: "\(error)", body: "")
        }
    }

    /// How many requests have been answered or have failed so far.
    var count: Int { state.withLock { $0.outcomes.count } }

    /// What has come since the first `start` outcomes.
    func outcomes(from start: Int = 0) -> [Outcome] { state.withLock { Array($0.outcomes.dropFirst(start)) } }

    /// Waits until `count` more requests have an outcome.
    func waitForMore(_ count: Int, within deadline: Duration = .seconds(60)) async throws {
        let wanted = self.count + count
        try await eventually("\(count) more requests", within: deadline) { self.count >= wanted ? true : nil }
    }

    /// Waits until the newest `count` requests all have status 200.
    func waitUntilWell(newest count: Int = 100, within deadline: Duration = .seconds(30)) async throws {
        let start = self.count
        try await eventually("\(count) good answers in a row", within: deadline) {
            let recent = self.outcomes(from: start).suffix(count)
            return recent.count == count && recent.allSatisfy { $0.status == 200 } ? true : nil
        }
    }

    /// Ends the loops and gives all outcomes.
    func stop() async throws -> [Outcome] {
        state.withLock { $0.stopping = true }
        try await eventually("the end of the load") { self.state.withLock { $0.running } == 0 ? true : nil }
        return outcomes()
    }
}

extension [Load.Outcome] {
    /// Counts per status or failure, for messages.
    var summary: String {
        var counts: [String: Int] = [:]
        for outcome in self { counts[outcome.failure ?? String(outcome.status), default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
    }

    var failed: Self { filter { $0.status != 200 } }

    /// A few of the failures with their texts, for messages.
    var failureSamples: String {
        failed.prefix(5).map { "\($0.status) \($0.failure ?? "") \($0.body.prefix(600))" }.joined(separator: "\n")
    }
}
