/// Which pods of a workload to start and which to stop, given what runs. Pure: called again after every change, it comes to rest
/// when the workload is as it should be.
///
/// A changed template is rolled out by starting all new pods first; the old ones go when the new ones can take traffic.
package struct RolloutDecision: Equatable, Sendable {
    package struct Present: Equatable, Sendable {
        package var name: String
        /// Made of the wanted template.
        package var current: Bool
        package var ready: Bool

        package init(name: String, current: Bool, ready: Bool) {
            self.name = name
            self.current = current
            self.ready = ready
        }
    }

    /// Names of pods to start.
    package var start: [String] = []
    /// Names of pods to stop.
    package var stop: [String] = []

    /// - Parameters:
    ///   - present: the workload's pods that are not ending, oldest first.
    ///   - taken: names that are in use, also by pods that are ending.
    ///   - numbered: whether pods are called NAME-0, NAME-1 ….
    package init(workload: String, replicas: Int, numbered: Bool, present: [Present], taken: Set<String>) {
        let current = present.filter(\.current)
        let stale = present.filter { !$0.current }
        if current.count < replicas {
            var names = taken
            for _ in current.count..<replicas {
                guard let name = Self.freeName(workload, numbered: numbered, names) else { break }
                names.insert(name)
                start.append(name)
            }
        } else {
            // Those that cannot take traffic go first, then the youngest.
            let surplus = current.count - replicas
            let order = current.enumerated().sorted {
                ($0.element.ready ? 1 : 0, -$0.offset) < ($1.element.ready ? 1 : 0, -$1.offset)
            }
            stop = order.prefix(surplus).map(\.element.name)
        }
        if replicas == 0 || current.filter(\.ready).count >= replicas {
            stop += stale.map(\.name)
        }
    }

    private static func freeName(_ workload: String, numbered: Bool, _ taken: Set<String>) -> String? {
        if !numbered && !taken.contains(workload) { return workload }
        for number in 0...taken.count where !taken.contains("\(workload)-\(number)") { return "\(workload)-\(number)" }
        return nil
    }
}
