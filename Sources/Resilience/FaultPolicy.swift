/// A share of requests as numerator and denominator (envoy.type.v3.FractionalPercent).
package struct Share: Sendable, Hashable {
    package var numerator: UInt32
    package var denominator: UInt32

    package init(_ numerator: UInt32, of denominator: UInt32) {
        self.numerator = numerator
        self.denominator = denominator
    }

    package static var none: Share { Share(0, of: 100) }
    package static var all: Share { Share(100, of: 100) }

    /// Whether a draw of 64 fresh random bits falls into the share.
    package func holds(_ random: UInt64) -> Bool {
        numerator >= denominator || random.multipliedFullWidth(by: UInt64(denominator)).high < UInt64(numerator)
    }

    /// The share that a request may ask for: at most this one.
    package func bounded(by requested: UInt32?) -> Share {
        guard let requested else { return self }
        return Share(min(numerator, requested), of: denominator)
    }
}

/// Faults to inject (envoy.extensions.filters.http.fault.v3.HTTPFault): what, and into which share of requests.
package struct FaultPolicy: Sendable, Hashable {
    package enum Delay: Sendable, Hashable {
        case none
        case milliseconds(UInt64)
        /// What the request asks for (`x-envoy-fault-delay-request`).
        case requested
    }

    package enum Abort: Sendable, Hashable {
        case none
        case http(UInt16)
        case grpc(Int16)
        /// What the request asks for (`x-envoy-fault-abort-request`, `x-envoy-fault-abort-grpc-request`).
        case requested
    }

    package var delay = Delay.none
    package var delayShare = Share.none
    package var abort = Abort.none
    package var abortShare = Share.none
    /// The most requests that are delayed or aborted at one time; nil is no bound.
    package var maxActive: UInt32?

    package init() {}

    /// The delay of this request in milliseconds; nil is none.
    ///
    /// - Parameters:
    ///   - requested: the time the request asks for.
    ///   - share: the percentage the request asks for.
    package func delay(random: UInt64, requested: UInt64?, share: UInt32?) -> UInt64? {
        switch delay {
        case .none: return nil
        case .milliseconds(let time): return time > 0 && delayShare.holds(random) ? time : nil
        case .requested:
            guard let requested, requested > 0, delayShare.bounded(by: share).holds(random) else { return nil }
            return requested
        }
    }

    /// The abort of this request; nil is none.
    package func abort(random: UInt64, http: UInt64?, grpc: UInt64?, share: UInt32?) -> InjectedAbort? {
        switch abort {
        case .none: return nil
        case .http(let status): return abortShare.holds(random) ? InjectedAbort(status: status) : nil
        case .grpc(let status): return abortShare.holds(random) ? InjectedAbort(status: 200, grpcStatus: status) : nil
        case .requested:
            guard abortShare.bounded(by: share).holds(random) else { return nil }
            if let http, (200..<600).contains(http) { return InjectedAbort(status: UInt16(http)) }
            if let grpc, grpc <= 16 { return InjectedAbort(status: 200, grpcStatus: Int16(grpc)) }
            return nil
        }
    }
}

/// How an aborted request is answered.
package struct InjectedAbort: Sendable, Hashable {
    package var status: UInt16
    /// Negative is the one that the status means.
    package var grpcStatus: Int16 = -1
}
