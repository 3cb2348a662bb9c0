import HTTP1
import HeaderBlock
import Testing

@Suite struct ResponseParserTests {
    private func parse(_ text: String, isHead: Bool = false) -> HeadResult {
        var table = HeaderTable()
        return ResponseParser.parse(Array(text.utf8).span, from: 0, isHead: isHead, limits: Limits(), into: &table)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, BodyFraming.length(5), true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, .chunked, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, .untilClose, false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, .none, true),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, .none, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, .none, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", false, .none, true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, .length(5), false),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, .none, false),
    ])
    func framingFollowsStatusMethodAndFields(text: String, isHead: Bool, framing: BodyFraming, keepsAlive: Bool) {
        guard case .complete(let head) = parse(text, isHead: isHead) else {
            Issue.record("not complete")
            return
        }
        #expect(head.framing == framing)
        #expect(head.keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        "HTTP/1.1 99 No\r\nX: y\r\n\r\n", "HTTP/2 200 OK\r\nX: y\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n      ",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 5\n\n",
        "nonsense\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2\r\n\r\n", "h",
    ])
    func whatIsNoResponseIsRefused(text: String) {
        guard case .invalid = parse(text) else {
            Issue.record("accepted: \(text)")
            return
        }
    }

    @Test func theBeginningOfAResponseWaitsForTheRest() {
        let text = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n"
        for length in 0..<text.count {
            guard case .incomplete = parse(String(text.prefix(length))) else {
                Issue.record("not incomplete: \(length) characters")
                return
            }
        }
    }
}
