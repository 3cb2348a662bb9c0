import Foundation

/// Runs a scenario through one proxy, off the threads of Swift's concurrency: everything here blocks.
struct SideRun: Sendable {
    /// Per exchange of the scenario, then one for log lines that no exchange owns.
    var observations: [[String: String]]

    /// - Parameter exchanges: nil is those of the scenario's file.
    static func run(_ peer: Peer, _ scenario: Scenario, exchanges: [Exchange]? = nil) async throws -> SideRun {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result { try blocking(peer, scenario, exchanges ?? scenario.exchanges()) })
            }
        }
    }

    private static func blocking(_ peer: Peer, _ scenario: Scenario, _ exchanges: [Exchange]) throws -> SideRun {
        let side = try Side(peer, bootstrap: scenario.bootstrap(), certificates: Certificates.shared.get())
        defer { side.stop() }
        var observations: [Observation] = []
        for exchange in exchanges { observations.append(try side.run(exchange)) }
        observations.append(Observation())
        let expected = exchanges.reduce(0) { $0 + ($1.isStream ? 1 : $1.responses) }
        attribute(side.log(atLeast: expected), to: &observations, of: exchanges)
        let rules = side.normalisation
        return SideRun(
            observations: observations.map {
                var observation = $0
                observation.normalise(rules)
                return observation.facts
            })
    }

    /// A line `peer=127.9.0.3 code=200 …` belongs to the exchange that came from that address, word by word; lines without
    /// a peer, or of an address that several exchanges use, belong to the scenario.
    private static func attribute(
        _ lines: [String], to observations: inout [Observation], of exchanges: [Exchange]
    ) {
        var owners: [String: Int] = [:]
        for (index, exchange) in exchanges.enumerated() { owners[exchange.source] = index }
        var counts = [Int](repeating: 0, count: observations.count)
        for line in lines {
            let peer = line.firstMatch(of: #/"?peer"?[=:]"?([0-9.]+)"?[ ,]/#).map { String($0.1) }
            let owner = peer.flatMap { owners[$0] } ?? observations.count - 1
            let place = "log[\(counts[owner])]"
            counts[owner] += 1
            guard line.hasPrefix("peer=") else {
                observations[owner][place] = line
                continue
            }
            var last = place
            for word in line.split(separator: " ").dropFirst() {
                if let equals = word.firstIndex(of: "="), word[..<equals].allSatisfy({ $0.isLetter }) {
                    last = "\(place).\(word[..<equals])"
                    observations[owner][last] = String(word[word.index(after: equals)...])
                } else {
                    observations[owner][last] = (observations[owner][last] ?? "") + " " + word
                }
            }
        }
    }
}

/// The places where two runs of a scenario differ.
func differences(_ envoy: SideRun, _ martlet: SideRun, in scenario: Scenario) throws -> [Difference] {
    let names = try scenario.exchanges().map(\.name) + ["access log"]
    return zip(names, zip(envoy.observations, martlet.observations)).flatMap { name, pair in
        Set(pair.0.keys).union(pair.1.keys).sorted()
            .filter { pair.0[$0] != pair.1[$0] }
            .map {
                Difference(
                    scenario: scenario.name, exchange: name, place: $0, envoy: pair.0[$0], martlet: pair.1[$0])
            }
    }
}

/// Lets a few scenarios run at a time: each has two proxies.
actor Gate {
    static let scenarios = Gate(limit: 4)
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(limit: Int) { free = limit }

    func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
