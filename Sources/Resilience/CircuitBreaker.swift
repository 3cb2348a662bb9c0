private import Synchronization

/// Limits of one cluster and priority (envoy.config.cluster.v3.CircuitBreakers.Thresholds); .max = no limit.
package struct CircuitLimits: Sendable, Hashable {
    package var connections: UInt32 = 1024
    package var pendingRequests: UInt32 = 1024
    package var requests: UInt32 = 1024
    package var retries: UInt32 = 3
    /// Retries in progress may be this share (percent) of requests in progress; nil = `retries` counts instead.
    package var retryBudgetPercent: Double?
    package var retryBudgetMinimum: UInt32 = 3

    package init() {}
}

/// What a cluster has in progress over all workers, and how much of it may be. Shared; relaxed atomics. It outlives
/// configurations: new limits apply to what is in progress already.
package final class CircuitBreaker: Sendable {
    package enum Resource: UInt8, Sendable { case connection, pendingRequest, request, retry }

    private let state: Mutex<CircuitLimits>
    private let connectionLimit: Atomic<UInt32>
    private let pendingLimit: Atomic<UInt32>
    private let requestLimit: Atomic<UInt32>
    private let retryCount: Atomic<UInt32>
    /// Hundredths of a percent; .max = there is no budget.
    private let budgetShare: Atomic<UInt32>
    private let budgetMinimum: Atomic<UInt32>

    private let connections = Atomic<UInt32>(0)
    private let pending = Atomic<UInt32>(0)
    private let requests = Atomic<UInt32>(0)
    private let retries = Atomic<UInt32>(0)

    package init(_ limits: CircuitLimits) {
        state = Mutex(limits)
        connectionLimit = Atomic(limits.connections)
        pendingLimit = Atomic(limits.pendingRequests)
        requestLimit = Atomic(limits.requests)
        retryCount = Atomic(limits.retries)
        budgetShare = Atomic(limits.budgetShare)
        budgetMinimum = Atomic(limits.retryBudgetMinimum)
    }

    package var limits: CircuitLimits {
        get { state.withLock { $0 } }
        set {
            state.withLock { $0 = newValue }
            connectionLimit.store(newValue.connections, ordering: .relaxed)
            pendingLimit.store(newValue.pendingRequests, ordering: .relaxed)
            requestLimit.store(newValue.requests, ordering: .relaxed)
            retryCount.store(newValue.retries, ordering: .relaxed)
            budgetShare.store(newValue.budgetShare, ordering: .relaxed)
            budgetMinimum.store(newValue.retryBudgetMinimum, ordering: .relaxed)
        }
    }

    /// Takes one of `resource`; false when the limit is reached. Each true needs one `release`.
    @inline(__always)
    package func acquire(_ resource: Resource) -> Bool {
        switch resource {
        case .connection: take(connections, connectionLimit.load(ordering: .relaxed))
        case .pendingRequest: take(pending, pendingLimit.load(ordering: .relaxed))
        case .request: take(requests, requestLimit.load(ordering: .relaxed))
        case .retry: take(retries, retryLimit)
        }
    }

    /// Takes one of `resource` whatever the limit says: the first connection of a worker to an endpoint is opened even so,
    /// as Envoy does, since a request would wait for ever otherwise. False when that went over the limit.
    @inline(__always)
    package func force(_ resource: Resource) -> Bool {
        switch resource {
        case .connection:
            connections.wrappingAdd(1, ordering: .relaxed).oldValue < connectionLimit.load(ordering: .relaxed)
        case .pendingRequest:
            pending.wrappingAdd(1, ordering: .relaxed).oldValue < pendingLimit.load(ordering: .relaxed)
        case .request: requests.wrappingAdd(1, ordering: .relaxed).oldValue < requestLimit.load(ordering: .relaxed)
        case .retry: retries.wrappingAdd(1, ordering: .relaxed).oldValue < retryLimit
        }
    }

    @inline(__always)
    package func release(_ resource: Resource) {
        switch resource {
        case .connection: connections.wrappingSubtract(1, ordering: .relaxed)
        case .pendingRequest: pending.wrappingSubtract(1, ordering: .relaxed)
        case .request: requests.wrappingSubtract(1, ordering: .relaxed)
        case .retry: retries.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// How many of `resource` are in progress.
    package func active(_ resource: Resource) -> UInt32 {
        switch resource {
        case .connection: connections.load(ordering: .relaxed)
        case .pendingRequest: pending.load(ordering: .relaxed)
        case .request: requests.load(ordering: .relaxed)
        case .retry: retries.load(ordering: .relaxed)
        }
    }

    /// Requests in progress.
    package var activeRequests: UInt32 { active(.request) }

    /// The retries that may be in progress now: the limit, or the budget's share of what is in progress.
    private var retryLimit: UInt32 {
        let share = budgetShare.load(ordering: .relaxed)
        guard share != .max else { return retryCount.load(ordering: .relaxed) }
        let active =
            UInt64(requests.load(ordering: .relaxed)) + UInt64(pending.load(ordering: .relaxed))
        let allowed = UInt32(clamping: active * UInt64(share) / 10_000)
        return max(budgetMinimum.load(ordering: .relaxed), allowed)
    }

    @inline(__always)
    private func take(_ counter: borrowing Atomic<UInt32>, _ limit: UInt32) -> Bool {
        // Compare and exchange, not add and take back: a refused request must not make another one's place look taken.
        var current = counter.load(ordering: .relaxed)
        while current < limit {
            let (isDone, seen) = counter.weakCompareExchange(
                expected: current, desired: current &+ 1, ordering: .relaxed)
            if isDone { return true }
            current = seen
        }
        return false
    }
}

extension CircuitLimits {
    fileprivate var budgetShare: UInt32 {
        retryBudgetPercent.map { UInt32(max(0, min(100, $0)) * 100) } ?? .max
    }
}
