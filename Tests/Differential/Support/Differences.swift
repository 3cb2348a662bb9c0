import Foundation
import Synchronization
import Yams

/// The deliberate differences (`differences.yaml`): what, where, and why.
final class Differences: Sendable {
    struct Entry: Sendable {
        let scenario: String
        let exchange: String
        let place: String
        let envoy: String?
        let martlet: String?
        let reason: String
        /// For an entry about every scenario: the one that shows it.
        let shownBy: String
        /// Chance decides whether it shows.
        let races: Bool
    }

    static let shared: Result<Differences, any Error> = Result { try Differences() }

    private let entries: [Entry]
    private let used = Mutex<Set<Int>>([])

    private init() throws {
        let text = try String(contentsOf: Scenario.folder.appending(path: "differences.yaml"), encoding: .utf8)
        entries = try (Yams.compose(yaml: text)?.array() ?? []).flatMap(Self.entries)
    }

    /// The entries of one node: one for each of its `places`, or the one of its `place`.
    private static func entries(_ node: Node) throws -> [Entry] {
        guard let scenario = node["scenario"]?.string, let reason = node["reason"]?.string, !reason.isEmpty else {
            throw CaseError("differences.yaml: an entry needs scenario, places and reason: \(node)")
        }
        func entry(_ place: String, _ envoy: String?, _ martlet: String?) -> Entry {
            Entry(
                scenario: scenario, exchange: node["exchange"]?.string ?? "*", place: place, envoy: envoy,
                martlet: martlet, reason: reason, shownBy: node["shown_by"]?.string ?? scenario,
                races: node["races"]?.bool ?? false)
        }
        if let place = node["place"]?.string { return [entry(place, node["envoy"]?.string, node["martlet"]?.string)] }
        guard let places = node["places"]?.mapping else {
            throw CaseError("differences.yaml: an entry needs place or places: \(node)")
        }
        return try places.map { key, value in
            guard let place = key.string else { throw CaseError("differences.yaml: not a place: \(key)") }
            guard let pair = value.sequence else { return entry(place, nil, nil) }
            guard pair.count == 2 else {
                throw CaseError("differences.yaml: \(place) needs what Envoy and Martlet say")
            }
            return entry(place, pair[0].string, pair[1].string)
        }
    }

    /// Whether a difference is meant; remembers that its entry is in use.
    func permits(_ difference: Difference) -> Bool {
        var isPermitted = false
        for (index, entry) in entries.enumerated() where matches(entry, difference) {
            if entry.shownBy == difference.scenario { used.withLock { _ = $0.insert(index) } }
            isPermitted = true
        }
        return isPermitted
    }

    private func matches(_ entry: Entry, _ difference: Difference) -> Bool {
        (entry.scenario == "*" || entry.scenario == difference.scenario)
            && Self.fits(entry.exchange, difference.exchange)
            && Self.fits(entry.place, difference.place)
            && (entry.envoy == nil || entry.envoy == difference.envoy ?? "")
            && (entry.martlet == nil || entry.martlet == difference.martlet ?? "")
    }

    /// A star stands for any text; brackets stand for themselves.
    private static func fits(_ pattern: String, _ text: String) -> Bool {
        fnmatch(pattern.replacingOccurrences(of: "[", with: "\\["), text, 0) == 0
    }

    /// Entries about `scenario` that no difference used.
    func stale(in scenario: String) -> [Entry] {
        used.withLock { used in
            entries.indices.filter { !used.contains($0) && entries[$0].shownBy == scenario && !entries[$0].races }.map {
                entries[$0]
            }
        }
    }
}

/// A place where the two proxies say different things.
struct Difference: CustomStringConvertible {
    let scenario: String
    let exchange: String
    let place: String
    let envoy: String?
    let martlet: String?

    var description: String {
        """
        \(scenario) / \(exchange): \(place)
            envoy:   \(envoy?.debugDescription ?? "nothing")
            martlet: \(martlet?.debugDescription ?? "nothing")
        """
    }
}
