import CrashSeed
import Glibc
import Testing

/// Thousands of small worlds, each decided by its seed: bytes come in pieces, writes stop half-way, events are late, peers
/// stall, reset, lie and vanish, the configuration changes under requests. In every one of them each request is answered
/// once with its own intact answer, or its connection ends; and nothing is left over.
///
/// A failing seed names itself: `MARTLET_SEED=n swift test --filter SimulationTests` runs it alone. `MARTLET_SEEDS` sets
/// how many are run.
@Suite("Deterministic simulation")
struct SimulationTests {
    private static let blocks = 20
    private static let seeds = variable("MARTLET_SEEDS").flatMap { Int($0) } ?? 10_000

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Streams: HTTP/2 on either side or on both, with resets, GOAWAY, and windows that stay shut.
    enum Versions: String, CaseIterable { case plain, streams }

    @Test("every invariant holds in every seed", arguments: 0..<blocks, Versions.allCases)
    func invariants(block: Int, versions: Versions) async {
        if let only = Self.variable("MARTLET_SEED").flatMap({ UInt64($0) }) {
            if block == 0 { Self.run(only, versions) }
            return
        }
        let count = Self.seeds / Self.blocks
        for seed in (block * count)..<((block + 1) * count) {
            guard Self.run(UInt64(seed), versions) else { return }
            // Other tests wait on the same few threads.
            await Task.yield()
        }
    }

    @discardableResult
    private static func run(_ seed: UInt64, _ versions: Versions) -> Bool {
        crash_seed_set(seed)
        do {
            try SimulationRun(seed: seed, streams: versions == .streams).run()
            return true
        } catch {
            Issue.record("MARTLET_SEED=\(seed), \(versions): \(error)")
            return false
        }
    }
}
