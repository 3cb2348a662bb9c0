/// How the end of a body is found (RFC 9112 section 6.3).
package enum BodyFraming: Sendable, Equatable {
    case none
    case length(Int)
    case chunked
    /// Responses only: the connection's end is the body's end.
    case untilClose
}

/// What a head says about its connection and its body, beside the fields in the table.
package struct MessageHead: Sendable, Equatable {
    /// Bytes of the head, from the offset that was parsed from.
    package var length = 0
    package var framing = BodyFraming.none
    /// The connection may carry another message after this one.
    package var keepsAlive = true
    package var expectsContinue = false
    /// `Connection: upgrade` with an Upgrade field.
    package var asksForUpgrade = false
    /// Connection names further fields to be dropped; rare, so that looking for them can be skipped.
    package var nominatesFields = false
    /// The target was in absolute form: the authority is from it, and Host must be rewritten.
    package var isAbsoluteForm = false

    package init() {}
}

/// What parsing a head came to.
package enum HeadResult: Sendable, Equatable {
    case incomplete
    case complete(MessageHead)
    case invalid(MessageError)
}
