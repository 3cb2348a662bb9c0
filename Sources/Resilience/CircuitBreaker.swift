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

/// What a cluster has in progress over all workers. Shared; relaxed atomics, touched only for limits that are set.
package final class CircuitBreaker: Sendable {
    package enum Resource: UInt8, Sendable { case connection, pendingRequest, request, retry }

    package let limits: CircuitLimits
    private let connections = Atomic<UInt32>(0)
    private let pending = Atomic<UInt32>(0)
    private let requests = Atomic<UInt32>(0)
    private let retries = Atomic<UInt32>(0)

    package init(_ limits: CircuitLimits) { self.limits = limits }

    /// Takes one of `resource`; false when the limit is reached. Each true needs one `release`.
    @inline(__always)
    package func acquire(_ resource: Resource) -> Bool {
        switch resource {
        case .connection: take(connections, limits.connections)
        case .pendingRequest: take(pending, limits.pendingRequests)
        // A retry budget is a share of the requests in progress, so those must be counted for it.
        case .request: take(requests, limits.requests, counts: limits.retryBudgetPercent != nil)
        case .retry: take(retries, retryLimit)
        }
    }

    @inline(__always)
    package func release(_ resource: Resource) {
        switch resource {
        case .connection: give(connections, limits.connections)
        case .pendingRequest: give(pending, limits.pendingRequests)
        case .request: give(requests, limits.requests, counts: limits.retryBudgetPercent != nil)
        case .retry: give(retries, limits.retryBudgetPercent == nil ? limits.retries : 0)
        }
    }

    /// Requests in progress, when they are limited (else 0).
    package var activeRequests: UInt32 { requests.load(ordering: .relaxed) }

    private var retryLimit: UInt32 {
        guard let percent = limits.retryBudgetPercent else { return limits.retries }
        let active = Double(requests.load(ordering: .relaxed))
        return max(limits.retryBudgetMinimum, UInt32(min(active * percent / 100, 4_294_967_000)))
    }

    @inline(__always)
    private func take(_ counter: borrowing Atomic<UInt32>, _ limit: UInt32, counts: Bool = false) -> Bool {
        if limit == .max, !counts { return true }
        let (before, _) = counter.wrappingAdd(1, ordering: .relaxed)
        if before < limit { return true }
        counter.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    @inline(__always)
    private func give(_ counter: borrowing Atomic<UInt32>, _ limit: UInt32, counts: Bool = false) {
        if limit != .max || counts { counter.wrappingSubtract(1, ordering: .relaxed) }
    }
}
