package import HeaderBlock

/// What the peer's next bytes mean. `token` is what the caller gave the stream; `HTTP2Connection.noToken` before it did.
package enum HTTP2Event: Sendable {
    /// The input is used up: read more. Nothing of it is needed any longer, `input` is empty or holds the beginning of a
    /// small piece (less than 24 bytes).
    case needsMore
    /// A header block is complete. The caller must call `receiveHead` or `discardHead` before the next `next`: on a server
    /// `isNew` means a request for which it makes an exchange first; otherwise the block is for the stream of `token`.
    case head(stream: UInt32, token: UInt64, isNew: Bool, isTrailers: Bool)
    /// Body bytes: `payload` is a range of the storage of the input that was given to `next`, good until the next call.
    /// `endsStream` comes with the last piece, which may be empty. The peer may send more only after `consumed`.
    case data(stream: UInt32, token: UInt64, payload: ByteRange, endsStream: Bool)
    /// The peer reset the stream; it is gone.
    case reset(stream: UInt32, token: UInt64, code: HTTP2ErrorCode)
    /// What the peer sent on the stream is against the protocol: RST_STREAM is in the output, the stream is gone.
    case streamFailed(stream: UInt32, token: UInt64, failure: HTTP2Failure)
    /// `sendData` took less than all of it before, and may take more now.
    case writable(stream: UInt32, token: UInt64)
    /// The peer's settings changed (`peer`); on a client more streams may fit now (`canOpenStream`).
    case settings
    /// The peer ends the connection: no new streams. Streams that it will not have looked at follow as `.refused`.
    case goAway(lastStream: UInt32, code: HTTP2ErrorCode)
    /// The peer never processed our request on this stream: it can be sent again elsewhere. The stream is gone.
    case refused(stream: UInt32, token: UInt64)
    /// Our PING was answered.
    case pong(data: UInt64)
    /// The connection is beyond repair: GOAWAY is in the output; close when it is written. Streams are the caller's to end.
    case failed(HTTP2Failure)
}

/// What a header block turned out to be.
package enum HTTP2HeadResult: Sendable {
    case complete(HTTP2Head)
    /// Against the rules of RFC 9113 section 8: RST_STREAM is in the output, the stream is gone.
    case malformed(HTTP2Failure)
    /// More fields or bytes than allowed. The table holds nothing; the stream is there still: answer 431, or reset it.
    case tooLarge(endsStream: Bool)
    /// The connection is beyond repair (a broken header block): as `HTTP2Event.failed`.
    case failed(HTTP2Failure)
}

/// What a head says beside the fields in the table.
package struct HTTP2Head: Sendable, Equatable {
    package enum Kind: UInt8, Sendable {
        case request
        /// A final response.
        case response
        /// A 1xx response; another head follows.
        case interim
        case trailers
    }

    package var kind: Kind
    /// No body and no trailers follow.
    package var endsStream: Bool
    package var contentLength: Int?
    package var expectsContinue = false
    /// `:protocol` of an extended CONNECT (RFC 8441), as a range of the arena's storage; empty otherwise.
    package var protocolName = ByteRange.empty
}
