internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Routing

/// What a request asks of the router in fields of its own (`x-envoy-retry-on` and the like). Who may ask was decided
/// before: the fields of others are gone by then.
struct AskedOfRouter {
    /// Milliseconds.
    var timeout: UInt64?
    /// Milliseconds.
    var tryTimeout: UInt64?
    /// Retries were asked for, if only with words that mean nothing.
    var asksForRetries = false
    var conditions: RetryPolicy.Conditions = []
    var retries: UInt32?
    var statusCodes = ByteRange.empty
    var hedges: Bool?
}

extension Exchange {
    /// Reads the fields, and takes them out: they are meant for this router and no other.
    mutating func takeAsked() -> AskedOfRouter {
        var asked = AskedOfRouter()
        var index = 0
        while index < request.count {
            let field = request[index]
            if !field.isRemoved, take(field, &asked) { request.remove(at: index) }
            index &+= 1
        }
        return asked
    }

    @inline(__always)
    private mutating func take(_ field: HeaderField, _ asked: inout AskedOfRouter) -> Bool {
        switch field.id {
        case .xEnvoyUpstreamRqTimeoutMs: asked.timeout = number(field.value) ?? asked.timeout
        case .xEnvoyUpstreamRqPerTryTimeoutMs: asked.tryTimeout = number(field.value) ?? asked.tryTimeout
        case .xEnvoyMaxRetries: asked.retries = number(field.value).map { UInt32(clamping: $0) } ?? asked.retries
        case .xEnvoyRetryOn, .xEnvoyRetryGrpcOn:
            asked.asksForRetries = true
            readConditions(field.value, ofGRPC: field.id == .xEnvoyRetryGrpcOn, &asked.conditions)
        case .other: return field.nameLength >= 19 && takeNamed(field, &asked)
        default: return false
        }
        return true
    }

    /// Fields that the table of known names does not hold.
    private mutating func takeNamed(_ field: HeaderField, _ asked: inout AskedOfRouter) -> Bool {
        guard arena.storage.equalsIgnoringCase(field.name.prefix(8), "x-envoy-") else { return false }
        if arena.storage.equalsIgnoringCase(field.name, "x-envoy-retriable-status-codes") {
            asked.statusCodes = field.value
        } else if arena.storage.equalsIgnoringCase(field.name, "x-envoy-retriable-header-names") {
            retriableNames = field.value
        } else if arena.storage.equalsIgnoringCase(field.name, "x-envoy-hedge-on-per-try-timeout") {
            if arena.storage.equals(field.value, "true") { asked.hedges = true }
            if arena.storage.equals(field.value, "false") { asked.hedges = false }
        } else if arena.storage.equalsIgnoringCase(field.name, "x-envoy-upstream-rq-timeout-alt-response") {
            answersTimeoutsWith204 = true
        } else if arena.storage.equalsIgnoringCase(field.name, "x-envoy-force-trace") {
            tellsRequestID = true
            return false
        } else {
            // Names statistics that there are none of.
            return arena.storage.equalsIgnoringCase(field.name, "x-envoy-upstream-alt-stat-name")
        }
        return true
    }

    private func number(_ range: ByteRange) -> UInt64? { decimal(range).map(UInt64.init) }

    /// The words of a list with commas; those that mean nothing are passed over, as Envoy does.
    private func readConditions(_ list: ByteRange, ofGRPC: Bool, _ conditions: inout RetryPolicy.Conditions) {
        var rest = list
        while let word = nextWord(&rest) {
            let known = ofGRPC ? Self.grpcConditions : Self.httpConditions
            for index in known.indices where arena.storage.equals(word, known[index].name) {
                conditions.formUnion(known[index].condition)
            }
        }
    }

    /// Takes the first word off a list with commas; nil at its end.
    private func nextWord(_ list: inout ByteRange) -> ByteRange? {
        guard !list.isEmpty else { return nil }
        var start = list.lowerBound
        var end = start
        while end < list.upperBound, arena.storage[end] != 0x2c { end &+= 1 }
        let taken = min(end &+ 1, list.upperBound) &- list.lowerBound
        list = list.dropping(taken)
        while start < end, arena.storage[start] == 0x20 { start &+= 1 }
        while end > start, arena.storage[end &- 1] == 0x20 { end &-= 1 }
        return ByteRange(start: start, length: end &- start)
    }

    /// Adds the codes of a list with commas.
    func readStatusCodes(_ list: ByteRange, into codes: inout StatusCodes) {
        var rest = list
        while let word = nextWord(&rest) {
            if let code = decimal(word) { codes.insert(UInt32(clamping: code)) }
        }
    }

    /// Whether the response has a field that the request named (`x-envoy-retriable-header-names`).
    var hasNamedResponseField: Bool {
        var rest = retriableNames
        while let word = nextWord(&rest) {
            guard !word.isEmpty else { continue }
            var index = 0
            while index < response.count {
                let field = response[index]
                if !field.isRemoved, Int(field.nameLength) == word.count, equalsFolded(field.name, word) {
                    return true
                }
                index &+= 1
            }
        }
        return false
    }

    private func equalsFolded(_ one: ByteRange, _ other: ByteRange) -> Bool {
        var index = 0
        while index < one.count {
            let left = arena.storage[one.lowerBound &+ index]
            let right = arena.storage[other.lowerBound &+ index]
            if left != right {
                guard left | 0x20 == right | 0x20, (left | 0x20) &- 0x61 < 26 else { return false }
            }
            index &+= 1
        }
        return true
    }

    /// Whether a retry policy asks for another try because of the response's fields.
    func hasRetriableField(_ headers: RetryHeaders?) -> Bool {
        if !retriableNames.isEmpty, hasNamedResponseField { return true }
        return headers?.refuses(response: HeadView(response, bytes: arena.storage)) ?? false
    }

    func mayRepeat(_ headers: RetryHeaders) -> Bool {
        headers.permits(request: HeadView(request, bytes: arena.storage))
    }

    private typealias Named = (name: StaticString, condition: RetryPolicy.Conditions)

    private static var httpConditions: InlineArray<11, Named> {
        [
            ("5xx", .serverError), ("gateway-error", .gatewayError), ("reset", .reset),
            ("reset-before-request", .resetBeforeRequest), ("connect-failure", .connectFailure),
            ("refused-stream", .refusedStream), ("retriable-4xx", .retriable4xx),
            ("retriable-status-codes", .retriableStatusCodes), ("retriable-headers", .retriableHeaders),
            ("envoy-ratelimited", .envoyRateLimited), ("http3-post-connect-failure", .http3PostConnectFailure),
        ]
    }

    private static var grpcConditions: InlineArray<11, Named> {
        [
            ("cancelled", .cancelled), ("deadline-exceeded", .deadlineExceeded), ("internal", .internalError),
            ("resource-exhausted", .resourceExhausted), ("unavailable", .unavailable),
            ("", []), ("", []), ("", []), ("", []), ("", []), ("", []),
        ]
    }
}
