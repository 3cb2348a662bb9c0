internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Routing
internal import Telemetry

/// envoy.filters.http.fault: a delay first, an abort behind it.
extension Worker where Wire: ~Copyable {
    mutating func injectFault(_ exchange: Handle, _ fault: FaultFilter) -> FilterStep {
        if !exchanges[exchange].filters.wasDelayed {
            guard applies(fault, to: exchange) else { return .next }
            let asked = exchanges[exchange].askedFault
            let delay = fault.policy.delay(
                random: transport.random(), requested: asked.delayMilliseconds, share: asked.delayShare)
            if let delay, begin(fault, exchange) {
                exchanges[exchange].flags.insert(.delayInjected)
                exchanges[exchange].filters.wasDelayed = true
                // The same filter again, when the time is over.
                exchanges[exchange].filters.next &-= 1
                pauseFilters(exchange, milliseconds: delay)
                return .waiting
            }
        }
        exchanges[exchange].filters.wasDelayed = false
        let asked = exchanges[exchange].askedFault
        let abort = fault.policy.abort(
            random: transport.random(), http: asked.status, grpc: asked.grpcStatus, share: asked.abortShare)
        guard let abort, begin(fault, exchange) else {
            endFilters(exchange)
            return .next
        }
        exchanges[exchange].details = CodeDetails.faultAbort
        exchanges[exchange].filters.grpcStatus = abort.grpcStatus
        reply(exchange, abort.status, "fault filter abort", .faultInjected)
        return .answered
    }

    private func applies(_ fault: FaultFilter, to exchange: Handle) -> Bool {
        if let cluster = fault.cluster, exchanges[exchange].decision?.cluster != cluster { return false }
        return exchanges[exchange].fits(fault)
    }

    /// Counts the exchange among the active faults, once.
    private mutating func begin(_ fault: FaultFilter, _ exchange: Handle) -> Bool {
        if exchanges[exchange].filters.fault != nil { return true }
        guard fault.begin() else { return false }
        exchanges[exchange].filters.fault = fault
        return true
    }
}

/// What a request asks of the fault filter.
private struct AskedFault {
    var delayMilliseconds: UInt64?
    var delayShare: UInt32?
    var status: UInt64?
    var grpcStatus: UInt64?
    var abortShare: UInt32?

    static let delayName = HeaderName("x-envoy-fault-delay-request")
    static let delayShareName = HeaderName("x-envoy-fault-delay-request-percentage")
    static let statusName = HeaderName("x-envoy-fault-abort-request")
    static let grpcStatusName = HeaderName("x-envoy-fault-abort-grpc-request")
    static let abortShareName = HeaderName("x-envoy-fault-abort-request-percentage")
}

extension Exchange {
    fileprivate func fits(_ fault: FaultFilter) -> Bool {
        fault.headers?.matches(HeadView(request, bytes: arena.storage)) ?? true
    }

    fileprivate var askedFault: AskedFault {
        AskedFault(
            delayMilliseconds: number(AskedFault.delayName), delayShare: share(AskedFault.delayShareName),
            status: number(AskedFault.statusName), grpcStatus: number(AskedFault.grpcStatusName),
            abortShare: share(AskedFault.abortShareName))
    }

    private func number(_ name: HeaderName) -> UInt64? {
        guard let range = HeadView(request, bytes: arena.storage).first(name), let value = decimal(range) else {
            return nil
        }
        return UInt64(value)
    }

    private func share(_ name: HeaderName) -> UInt32? { number(name).map { UInt32(clamping: $0) } }
}
