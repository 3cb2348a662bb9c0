import HTTP2
import HeaderBlock
import Memory
import Testing

/// Frames that are on their way when we give their stream up.
@Suite struct GivenUpTests {
    @Test func trailersThatComeInPiecesAreDropped() throws {
        var codec = HTTP2Connection()
        var input = ByteBuffer(capacity: 4096)
        var output = ByteBuffer(capacity: 4096)
        codec.start(.server, settings: .announced(by: .server), limits: HTTP2Limits(), output: &output)
        input.append(Wire.preface + Wire.settings() + Wire.headers(1, Wire.request("POST"), end: false))
        try expectHead(&codec, &input, &output, stream: 1)
        let trailers = Wire.headers(1, Wire.block([("x-a", "1"), ("x-b", "2")]))
        input.append(Array(trailers.prefix(15)))
        guard case .needsMore = codec.next(&input, output: &output, now: 0) else {
            return #expect(Bool(false), "half a head was reported")
        }
        codec.reset(stream: 1, .cancel, output: &output)
        input.append(Array(trailers.dropFirst(15)) + Wire.headers(3, Wire.request()))
        // The connection lives on: the next request is read behind it.
        try expectHead(&codec, &input, &output, stream: 3)
        #expect(codec.streamCount == 1)
    }

    private func expectHead(
        _ codec: inout HTTP2Connection, _ input: inout ByteBuffer, _ output: inout ByteBuffer, stream expected: UInt32
    ) throws {
        for _ in 0..<10 {
            switch codec.next(&input, output: &output, now: 0) {
            case .head(let stream, _, _, _):
                #expect(stream == expected)
                var arena = ByteBuffer(capacity: 1024)
                var table = HeaderTable()
                _ = codec.receiveHead(
                    token: 1, input: &input, arena: &arena, table: &table, output: &output)
                return
            case .settings: continue
            case let event:
                Issue.record("\(event)")
                return
            }
        }
    }
}
