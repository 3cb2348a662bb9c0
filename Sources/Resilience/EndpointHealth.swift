private import Synchronization

/// What is known about the health of a cluster's endpoints while it serves: by outlier detection and by active checks.
/// Shared by all workers and the health checker. Workers read `version`; when it has moved they read the flags again.
///
/// Counting a success touches one flag that hardly ever changes; only failures, and successes after failures, take the lock.
package final class EndpointHealth: Sendable {
    private final class Cell: Sendable {
        let flags: Atomic<UInt8>
        /// There are failures that a success would forgive.
        let hasRun: Atomic<Bool>

        init(flags: UInt8, hasRun: Bool) {
            self.flags = Atomic(flags)
            self.hasRun = Atomic(hasRun)
        }
    }

    /// Why an endpoint gets no traffic.
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let failedOutlierCheck = Flags(rawValue: 1)
        package static let failedActiveCheck = Flags(rawValue: 2)
        /// Set together with `failedActiveCheck` until the first check has ended.
        package static let pendingActiveCheck = Flags(rawValue: 4)
    }

    private let cells: [Cell]
    private let detector: Mutex<OutlierDetector?>
    package let policy: OutlierPolicy?
    private let changes = Atomic<UInt32>(0)
    private let nextSweep = Atomic<UInt64>(0)
    private let sawTraffic = Atomic<Bool>(false)

    /// - Parameters:
    ///   - isChecked: active checks decide about new endpoints: they get no traffic until they have passed one.
    ///   - adopting: the health of an earlier set of endpoints, and which of them each endpoint was (nil = it is new).
    package init(
        hostCount: Int, outliers: OutlierPolicy?, isChecked: Bool = false,
        adopting old: EndpointHealth? = nil, _ origin: [Int?] = []
    ) {
        policy = outliers
        var fresh = outliers.map { OutlierDetector($0, hostCount: hostCount) }
        var cells: [Cell] = []
        let before = old?.detector.withLock { $0 }
        for host in 0..<hostCount {
            var flags: Flags = isChecked ? [.failedActiveCheck, .pendingActiveCheck] : []
            var hasRun = false
            if let old, host < origin.count, let oldHost = origin[host] {
                if isChecked, old.isChecked { flags = old.flags(oldHost).intersection(flags) }
                if let before, before.policy == outliers {
                    fresh?.adopt(host, from: before, oldHost)
                    if before.isEjected(oldHost) { flags.insert(.failedOutlierCheck) }
                    hasRun = !before.isClean(oldHost)
                }
            }
            cells.append(Cell(flags: flags.rawValue, hasRun: hasRun))
        }
        self.cells = cells
        self.isChecked = isChecked
        detector = Mutex(fresh)
        if let old {
            sawTraffic.store(old.hasTraffic, ordering: .relaxed)
            nextSweep.store(old.nextSweep.load(ordering: .relaxed), ordering: .relaxed)
        }
    }

    package let isChecked: Bool

    package var hostCount: Int { cells.count }

    /// Grows with each change of flags.
    @inline(__always)
    package var version: UInt32 { changes.load(ordering: .acquiring) }

    package func flags(_ host: Int) -> Flags { Flags(rawValue: cells[host].flags.load(ordering: .relaxed)) }

    package func isHealthy(_ host: Int) -> Bool { flags(host).isEmpty }

    /// Requests have been sent to the cluster: active checks keep their interval from then on.
    package var hasTraffic: Bool {
        get { sawTraffic.load(ordering: .relaxed) }
        set { sawTraffic.store(newValue, ordering: .relaxed) }
    }

    private func set(_ host: Int, _ flags: Flags, _ isSet: Bool) {
        if isSet {
            cells[host].flags.bitwiseOr(flags.rawValue, ordering: .relaxed)
        } else {
            cells[host].flags.bitwiseAnd(~flags.rawValue, ordering: .relaxed)
        }
        changes.wrappingAdd(1, ordering: .releasing)
    }

    // MARK: Outlier detection

    /// A request succeeded. False: it was not counted, since it forgives nothing; see `addSuccesses`.
    @inline(__always)
    package func succeed(_ host: Int, now: UInt64) -> Bool {
        guard cells[host].hasRun.load(ordering: .relaxed) else { return false }
        _ = record(host, .success, now: now, random: 0)
        return true
    }

    /// Counts successes that were gathered since the last call, for the comparison of hosts.
    package func addSuccesses(_ counts: borrowing Span<UInt32>) {
        detector.withLock { detector in
            for host in counts.indices where counts[host] > 0 && host < cells.count {
                detector?.addSuccesses(host, counts[host])
            }
        }
    }

    /// Records a result; the event says that a limit was reached. `now` in nanoseconds.
    package func record(_ host: Int, _ result: OutlierDetector.Result, now: UInt64, random: UInt64) -> OutlierEvent? {
        let (event, isClean) = detector.withLock { detector -> (OutlierEvent?, Bool) in
            let event = detector?.record(host, result, now: now, random: random)
            return (event, detector?.isClean(host) ?? true)
        }
        cells[host].hasRun.store(!isClean, ordering: .relaxed)
        if event?.outcome == .ejected { set(host, .failedOutlierCheck, true) }
        return event
    }

    /// What is due once an interval: hosts come back, hosts are compared. Any worker may call it, any time.
    package func sweep(now: UInt64, random: UInt64, events: inout [OutlierEvent], returning: inout [Int]) {
        guard let policy else { return }
        let due = nextSweep.load(ordering: .relaxed)
        guard now >= due,
            nextSweep.compareExchange(expected: due, desired: now &+ max(1, policy.interval), ordering: .relaxed)
                .exchanged
        else { return }
        // The first call only starts the clock.
        guard due != 0 else { return }
        let found = detector.withLock { detector -> ([OutlierEvent], [Int]) in
            var events: [OutlierEvent] = []
            var returning: [Int] = []
            detector?.sweep(now: now, returning: &returning)
            detector?.compare(now: now, random: random, events: &events)
            return (events, returning)
        }
        for host in found.1 { set(host, .failedOutlierCheck, false) }
        for event in found.0 where event.outcome == .ejected { set(event.host, .failedOutlierCheck, true) }
        events += found.0
        returning += found.1
    }

    package var ejectedCount: Int { detector.withLock { $0?.ejectedCount ?? 0 } }

    /// Percent; nil when too few requests were made in the last interval.
    package func successRate(_ host: Int, local: Bool = false) -> Double? {
        detector.withLock { $0?.successRate(host, local: local) }
    }

    // MARK: Active checks

    /// The checker has come to a verdict about a host. True when the host had been ejected and comes back by it.
    package func checked(_ host: Int, isHealthy: Bool) -> Bool {
        var flags: Flags = .pendingActiveCheck
        if isHealthy { flags.insert(.failedActiveCheck) }
        if !isHealthy { set(host, .failedActiveCheck, true) }
        set(host, flags, false)
        guard isHealthy else { return false }
        let returns = detector.withLock { $0?.passedHealthCheck(host) ?? false }
        if returns { set(host, .failedOutlierCheck, false) }
        return returns
    }
}
