import ExampleService
import Foundation
import Testing

@Suite struct ServerTests {
    /// Runs a service on a free port, asks it with curl, and stops it.
    private func ask(
        _ path: String,
        _ flags: [String] = [],
        options change: (inout ServiceOptions) throws -> Void = { _ in }
    ) async throws -> (output: String, status: Int32) {
        var options = ServiceOptions()
        options.address = "127.0.0.1"
        options.port = 0
        options.grace = .seconds(1)
        try change(&options)
        let server = try await ExampleServer.start(options)
        let result = try await curl("http://127.0.0.1:\(server.port)\(path)", flags)
        try await server.stop()
        return result
    }

    private func curl(_ url: String, _ flags: [String]) async throws -> (output: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments = ["-s", "--max-time", "10"] + flags + [url]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: pipe.fileHandleForReading.readDataToEndOfFile())
            }
        }
        process.waitUntilExit()
        return (String(decoding: data, as: UTF8.self), process.terminationStatus)
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test(arguments: [("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2")])
    func bothProtocolsAnswerOnOnePort(_ flag: String, _ transport: String) async throws {
        let answer = try object(try await ask("/a?b=1", [flag, "-d", "quote \" and \\ back"]).output)
        #expect(answer["protocol"] as? String == transport)
        #expect(answer["method"] as? String == "POST")
        #expect(answer["path"] as? String == "/a?b=1")
        #expect((answer["body"] as? [String: Any])?["text"] as? String == "quote \" and \\ back")
    }

    @Test func headersComeBackInLowerCase() async throws {
        let answer = try object(try await ask("/", ["-H", "X-One: 1", "-H", "x-one: 2"]).output)
        #expect((answer["headers"] as? [String: Any])?["x-one"] as? String == "1, 2")
    }

    @Test func echoGivesTheBodyBack() async throws {
        #expect(try await ask("/echo", ["-d", "hello"]).output == "hello")
    }

    @Test(arguments: ["/health", "/healthz", "/ready"])
    func healthIsGoodWhateverTheKnobsSay(_ path: String) async throws {
        let answer = try await ask(path, ["-w", "%{http_code}"]) { try $0.behaviour.set(.status, to: "500") }
        #expect(answer.output == "ok\n200")
    }

    @Test(arguments: [
        (["-H", "x-example-status: 418"], "418"),
        (["-H", "x-example-for: other", "-H", "x-example-status: 418"], "200"),
        (["-H", "x-example-for: example-v1", "-H", "x-example-status: 418"], "418"),
        (["-H", "x-example-latency: soon"], "400"),
    ])
    func headersTurnTheKnobs(_ flags: [String], _ status: String) async throws {
        let answer = try await ask("/", ["-o", "/dev/null", "-w", "%{http_code}"] + flags)
        #expect(answer.output == status)
    }

    @Test func theFirstAttemptsOfARequestIDFail() async throws {
        let answer = try await ask(
            "/?fail-first=2&x=[1-4]",
            ["-H", "x-request-id: one", "-o", "/dev/null", "-w", "%{http_code} "]
        )
        #expect(answer.output == "503 503 200 200 ")
    }

    @Test func aResetIsNoAnswer() async throws {
        let answer = try await ask("/?error=reset&error-rate=1")
        #expect([52, 56].contains(answer.status))
    }

    @Test func aStallIsNoAnswerEither() async throws {
        let answer = try await ask("/?error=stall&error-rate=1", ["--max-time", "0.5"])
        #expect(answer.status == 28)
    }

    @Test func upstreamsAnswerInsideTheAnswer() async throws {
        var below = ServiceOptions()
        below.name = "below"
        below.address = "127.0.0.1"
        below.port = 0
        let server = try await ExampleServer.start(below)
        let port = server.port
        let answer = try await ask(
            "/page",
            ["-H", "cookie: user=jason", "-H", "traceparent: 00-1-2-01", "-H", "x-private: no"]
        ) { options in
            options.upstreams = [
                try UpstreamRule(text: "http://127.0.0.1:\(port){path}"),
                try UpstreamRule(text: "/other=http://127.0.0.1:\(port)/"),
            ]
        }
        try await server.stop()
        let upstreams = try #require(try object(answer.output)["upstreams"] as? [[String: Any]])
        #expect(upstreams.count == 1)
        let nested = try #require(upstreams.first?["answer"] as? [String: Any])
        #expect(nested["service"] as? String == "below")
        #expect(nested["path"] as? String == "/page")
        let headers = try #require(nested["headers"] as? [String: Any])
        #expect(headers["end-user"] as? String == "jason")
        #expect(headers["traceparent"] as? String == "00-1-2-01")
        #expect(headers["x-private"] == nil)
    }

    @Test(arguments: [(false, "502"), (true, "200")])
    func aDeadUpstreamIsShownAndPassedOnUnlessTolerated(_ tolerated: Bool, _ status: String) async throws {
        // A port that was free a moment ago.
        var free = ServiceOptions()
        free.address = "127.0.0.1"
        free.port = 0
        let server = try await ExampleServer.start(free)
        let port = server.port
        try await server.stop()
        let answer = try await ask("/", ["-w", "%{http_code}"]) { options in
            options.upstreams = [try UpstreamRule(text: "http://127.0.0.1:\(port)/")]
            options.toleratesUpstreamErrors = tolerated
        }
        #expect(answer.output.hasSuffix("\n" + status))
        #expect(answer.output.contains("\"error\""))
    }
}
