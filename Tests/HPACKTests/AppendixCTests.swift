import HPACK
import Testing

/// The examples of RFC 7541 appendix C, decoded in their order by one decoder each.
@Suite struct AppendixCTests {
    struct Step: Sendable {
        var hex: String
        var fields: [(String, String)]
        var tableSize: Int
        var tableCount: Int
    }

    struct Example: Sendable, CustomTestStringConvertible {
        var name: String
        var limit = 4096
        var steps: [Step]
        var testDescription: String { name }
    }

    static let request1: [(String, String)] = [
        (":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"),
    ]
    static let request2 = request1 + [("cache-control", "no-cache")]
    static let request3: [(String, String)] = [
        (":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ]
    static let response1: [(String, String)] = [
        (":status", "302"), ("cache-control", "private"), ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ]
    static let response2 = [(":status", "307")] + response1.dropFirst()
    static let response3: [(String, String)] = [
        (":status", "200"), ("cache-control", "private"), ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"), ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ]

    static let examples: [Example] = [
        Example(
            name: "C.2.1 literal with indexing",
            steps: [
                Step(
                    hex: "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
                    fields: [("custom-key", "custom-header")],
                    tableSize: 55, tableCount: 1)
            ]),
        Example(
            name: "C.2.2 literal without indexing",
            steps: [
                Step(
                    hex: "040c2f73616d706c652f70617468", fields: [(":path", "/sample/path")], tableSize: 0,
                    tableCount: 0)
            ]),
        Example(
            name: "C.2.3 literal never indexed",
            steps: [
                Step(
                    hex: "100870617373776f726406736563726574", fields: [("password", "secret")], tableSize: 0,
                    tableCount: 0)
            ]),
        Example(
            name: "C.2.4 indexed",
            steps: [Step(hex: "82", fields: [(":method", "GET")], tableSize: 0, tableCount: 0)]),
        Example(
            name: "C.3 requests without Huffman coding",
            steps: [
                Step(
                    hex: "828684410f7777772e6578616d706c652e636f6d", fields: request1, tableSize: 57, tableCount: 1),
                Step(hex: "828684be58086e6f2d6361636865", fields: request2, tableSize: 110, tableCount: 2),
                Step(
                    hex: "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", fields: request3, tableSize: 164,
                    tableCount: 3),
            ]),
        Example(
            name: "C.4 requests with Huffman coding",
            steps: [
                Step(hex: "828684418cf1e3c2e5f23a6ba0ab90f4ff", fields: request1, tableSize: 57, tableCount: 1),
                Step(hex: "828684be5886a8eb10649cbf", fields: request2, tableSize: 110, tableCount: 2),
                Step(
                    hex: "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", fields: request3, tableSize: 164,
                    tableCount: 3),
            ]),
        Example(
            name: "C.5 responses without Huffman coding, table of 256", limit: 256,
            steps: [
                Step(
                    hex: """
                        4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54
                        6e1768747470733a2f2f7777772e6578616d706c652e636f6d
                        """, fields: response1, tableSize: 222, tableCount: 4),
                Step(hex: "4803333037c1c0bf", fields: Array(response2), tableSize: 222, tableCount: 4),
                Step(
                    hex: """
                        88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f
                        3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076
                        657273696f6e3d31
                        """, fields: response3, tableSize: 215, tableCount: 3),
            ]),
        Example(
            name: "C.6 responses with Huffman coding, table of 256", limit: 256,
            steps: [
                Step(
                    hex: """
                        488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f
                        0b97c8e9ae82ae43d3
                        """, fields: response1, tableSize: 222, tableCount: 4),
                Step(hex: "4883640effc1c0bf", fields: Array(response2), tableSize: 222, tableCount: 4),
                Step(
                    hex: """
                        88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335df
                        dfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007
                        """, fields: response3, tableSize: 215, tableCount: 3),
            ]),
    ]

    @Test(arguments: examples)
    func isDecodedAsTheSpecificationSays(example: Example) throws {
        var decoder = HPACKDecoder()
        if example.limit < 4096 {
            decoder.setLimit(example.limit)
            // The encoder's acknowledgement of the smaller table: a size update to 256.
            #expect(try decode([0x3f, 0xe1, 0x01], &decoder) == [])
        }
        for step in example.steps {
            #expect(try decode(bytes(hex: step.hex), &decoder) == step.fields.map { Pair($0.0, $0.1) })
            #expect(decoder.tableSize == step.tableSize)
            #expect(decoder.tableCount == step.tableCount)
        }
    }
}
