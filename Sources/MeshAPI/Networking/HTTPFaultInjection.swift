/// Delays or aborts a share of the requests on purpose, at the client's side.
package struct HTTPFaultInjection: ObjectDecodable {
    package struct Delay: ObjectDecodable {
        package var location: SourceLocation
        package var fixedDelay: Duration?
        /// Share of requests in percent; nothing given means none.
        package var percentage: Double

        package init(_ reader: ObjectReader) {
            location = reader.location
            fixedDelay = reader.duration("fixedDelay", positive: true)
            let share = reader.object("percentage", Percent.self)?.value
            let oldShare = reader.int("percent", in: 0...100)
            if oldShare != nil { reader.warning("percent", "using deprecated field percent: use percentage") }
            percentage = share ?? oldShare.map(Double.init) ?? 0
            if reader.has("exponentialDelay") {
                reader.error("exponentialDelay", "exponentialDelay is not supported: use fixedDelay")
            } else if !reader.has("fixedDelay") {
                reader.error(nil, "fixedDelay is required")
            }
            if !reader.has("percentage"), oldShare == nil {
                reader.warning(nil, "without a percentage the delay is never injected: set percentage.value")
            }
        }
    }

    package struct Abort: ObjectDecodable {
        package enum Failure: Sendable, Equatable {
            case httpStatus(Int)
            /// Name of a gRPC status, such as `UNAVAILABLE`.
            case grpcStatus(String)
        }

        package var location: SourceLocation
        package var failure: Failure
        /// Share of requests in percent; nothing given means none.
        package var percentage: Double

        package init(_ reader: ObjectReader) {
            location = reader.location
            let status = reader.int("httpStatus", in: 200...600)
            let grpcStatus = reader.string("grpcStatus")
            if reader.has("http2Error") {
                reader.error("http2Error", "http2Error is not supported: use httpStatus or grpcStatus")
            } else {
                reader.exactlyOne(of: "httpStatus", "grpcStatus")
            }
            if let grpcStatus {
                failure = .grpcStatus(grpcStatus)
                if !Self.grpcStatuses.contains(grpcStatus) {
                    reader.error(
                        "grpcStatus",
                        "\"\(grpcStatus)\" is not a gRPC status"
                            + Suggestion.clause(for: grpcStatus, among: Self.grpcStatuses)
                    )
                }
            } else {
                failure = .httpStatus(status ?? 500)
            }
            percentage = reader.object("percentage", Percent.self)?.value ?? 0
            if !reader.has("percentage") {
                reader.warning(nil, "without a percentage the abort is never injected: set percentage.value")
            }
        }

        package static let grpcStatuses = [
            "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
            "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
        ]
    }

    package var location: SourceLocation
    package var delay: Delay?
    package var abort: Abort?

    package init(_ reader: ObjectReader) {
        location = reader.location
        delay = reader.object("delay")
        abort = reader.object("abort")
        if !reader.has("delay"), !reader.has("abort") { reader.error(nil, "fault must have a delay or an abort") }
    }
}
