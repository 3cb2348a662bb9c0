/// How an answer fails when it is meant to fail.
package enum Failure: Sendable, Equatable {
    case status(Int)
    /// The request is accepted and never answered.
    case stall
    /// The connection (HTTP/1.1) or the stream (HTTP/2) is torn down without an answer.
    case reset

    package init(text: String) throws(ServiceError) {
        switch text {
        case "stall": self = .stall
        case "reset": self = .reset
        default:
            guard let status = Int(text), (200...599).contains(status) else {
                throw .invalid("error \"\(text)\" is neither a status from 200 to 599 nor stall nor reset")
            }
            self = .status(status)
        }
    }
}

/// The knobs of an answer. Each one has a flag `--KNOB`, an environment variable `EXAMPLE_KNOB` and, for one request, the
/// query item `KNOB` and the header `x-example-KNOB`; the later in this list wins.
package struct Behaviour: Sendable, Equatable {
    package var latency: Latency = .none
    /// Share of the requests that fail, 0 to 1.
    package var errorRate = 0.0
    package var failure: Failure = .status(503)
    /// The first so many attempts with one `x-request-id` fail: what a retry is there to heal.
    package var failFirst = 0
    /// Bytes of padding in the answer.
    package var bodySize = 0

    package init() {}

    package enum Knob: String, CaseIterable, Sendable {
        case latency
        case errorRate = "error-rate"
        case error
        case failFirst = "fail-first"
        case bodySize = "body-size"
        /// Short for `error=STATUS` and `error-rate=1`.
        case status

        /// `EXAMPLE_ERROR_RATE` for `error-rate`.
        package var environmentName: String {
            "EXAMPLE_" + String(rawValue.uppercased().map { $0 == "-" ? "_" : $0 })
        }

        package var headerName: String { "x-example-" + rawValue }
    }

    package mutating func set(_ knob: Knob, to text: String) throws(ServiceError) {
        switch knob {
        case .latency: latency = try Latency(text: text)
        case .errorRate:
            let percent = text.hasSuffix("%")
            guard let number = Double(percent ? text.dropLast() : text[...]), number >= 0,
                number <= (percent ? 100 : 1)
            else { throw .invalid("error-rate \"\(text)\" is neither a share from 0 to 1 nor a percentage such as 5%") }
            errorRate = percent ? number / 100 : number
        case .error: failure = try Failure(text: text)
        case .failFirst:
            guard let count = Int(text), count >= 0 else { throw .invalid("fail-first \"\(text)\" is not a count") }
            failFirst = count
        case .bodySize:
            guard let count = Int(text), (0...Limits.paddingBytes).contains(count) else {
                throw .invalid("body-size \"\(text)\" is not a number of bytes up to \(Limits.paddingBytes)")
            }
            bodySize = count
        case .status:
            failure = try Failure(text: text)
            errorRate = 1
        }
    }

    /// Applies the environment variables that are set.
    package mutating func apply(environment: [String: String]) throws(ServiceError) {
        for knob in Knob.allCases {
            guard let text = environment[knob.environmentName], !text.isEmpty else { continue }
            do { try set(knob, to: text) } catch { throw .invalid("\(knob.environmentName): \(error)") }
        }
    }
}
