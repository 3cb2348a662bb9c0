internal import HTTP2
internal import HeaderBlock
internal import Memory
internal import TLS

/// The HTTP/2 half of a connection: its codec lives in the worker's slab and is lent for one call.
extension Connection {
    var isHTTP2: Bool { !http2.isNone }

    @inline(__always)
    mutating func next(_ codec: inout HTTP2Connection, now: UInt64) -> HTTP2Event {
        codec.next(&input, output: &output, now: now)
    }

    mutating func discardHead(_ codec: inout HTTP2Connection) -> HTTP2Failure? {
        codec.discardHead(input: &input, output: &output)
    }

    /// What the session agreed upon by ALPN is HTTP/2, under its own name or under that of a mesh.
    var agreedOnHTTP2: Bool {
        session?.withApplicationProtocol { name in
            name.elementsEqual("h2".utf8) || name.elementsEqual("istio-h2".utf8) || Self.isOurs(name)
        } ?? false
    }

    /// Both ends are ours (`Spelling`).
    var agreedOnSpelling: Bool { isTLS && session?.withApplicationProtocol { Self.isOurs($0) } ?? false }

    private static func isOurs(_ name: UnsafeRawBufferPointer) -> Bool {
        name.count == Spelling.applicationProtocol.utf8CodeUnitCount
            && Spelling.applicationProtocol.withUTF8Buffer { name.elementsEqual($0) }
    }
}
