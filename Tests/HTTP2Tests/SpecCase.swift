import Testing

/// What an endpoint must do about a case of h2spec.
enum Reaction: Equatable, Sendable {
    /// GOAWAY with this code, and the connection's end.
    case goAway(UInt32)
    /// RST_STREAM for the stream with this code; the connection lives on.
    case reset(UInt32, UInt32)
    /// A response's head on the stream.
    case response(UInt32)
    /// The first DATA frame has this length.
    case data(UInt32, length: Int)
    /// PING is answered.
    case pong([UInt8])
    /// Our last SETTINGS frame is acknowledged.
    case settingsAcknowledged
    /// The endpoint's own SETTINGS comes first.
    case settings
    /// The connection's end.
    case closed

    static let protocolError = Reaction.goAway(1)
    static let flowControlError = Reaction.goAway(3)
    static let frameSizeError = Reaction.goAway(6)
    static let compressionError = Reaction.goAway(9)
}

/// A case of h2spec: what is sent, and how the endpoint reacts. A server is under test, which answers each request with a body of
/// at least five bytes.
struct SpecCase: Sendable, CustomTestStringConvertible {
    enum Step: Sendable {
        case send([UInt8])
        /// Until the response on the stream has ended.
        case awaitEnd(UInt32)
        /// Until DATA has come.
        case awaitData(UInt32)
        case awaitSettingsAcknowledged
    }

    /// Section and text as h2spec has them.
    var name: String
    /// Without: the case sends the preface itself.
    var handshake = true
    var steps: [Step]
    /// The first is ours; the others are as right where timing decides (a response may or may not have ended yet).
    var reactions: [Reaction]

    var testDescription: String { name }

    /// The client begins with something else than the preface of HTTP/2.
    var startsWithoutPreface: Bool {
        guard !handshake, case .send(let bytes)? = steps.first else { return false }
        return !bytes.starts(with: Wire.preface)
    }

    init(_ name: String, handshake: Bool = true, _ steps: [Step], _ reactions: Reaction...) {
        self.name = name
        self.handshake = handshake
        self.steps = steps
        self.reactions = reactions
    }

    init(_ name: String, _ frames: [UInt8]..., react reaction: Reaction, or others: Reaction...) {
        self.name = name
        steps = [.send(frames.flatMap { $0 })]
        reactions = [reaction] + others
    }
}

extension Reaction {
    /// Whether the frames that came are this reaction.
    func isMet(_ frames: [Frame], isClosed: Bool) -> Bool {
        switch self {
        case .goAway(let code): isClosed && frames.contains { $0.type == 7 && $0.number(4) == code }
        case .reset(let stream, let code):
            frames.contains { $0.type == 3 && $0.stream == stream && $0.number(0) == code }
        case .response(let stream): frames.contains { $0.type == 1 && $0.stream == stream && $0.payload.first == 0x88 }
        case .data(let stream, let length):
            frames.first { $0.type == 0 && $0.stream == stream }?.payload.count == length
        case .pong(let data): frames.contains { $0.type == 6 && $0.flags == 1 && $0.payload == data }
        case .settingsAcknowledged: frames.contains { $0.type == 4 && $0.flags == 1 }
        case .settings: frames.first?.type == 4 && frames.first?.flags == 0
        case .closed: isClosed
        }
    }
}
