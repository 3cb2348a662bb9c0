import ArgumentParser
@preconcurrency import Dispatch
import ExampleService
import Foundation

/// `martlet example-service`: the stand-in application of the examples.
struct ExampleServiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "example-service",
        abstract:
            "Run a stand-in application: an HTTP/1.1 and HTTP/2 echo server that calls others and fails on demand.",
        discussion: """
            Answers every path with JSON: who answered, what arrived, what the upstreams answered. /health answers "ok", /echo \
            the request body. Each of the knobs latency, error-rate, error, fail-first, body-size is also an environment \
            variable (EXAMPLE_LATENCY ...) and, for one request, a query item (?latency=1s) or a header (x-example-latency: \
            1s); with x-example-for: NAME the headers are passed on and meant for the service NAME alone.
            """
    )

    @Option(help: "Service name. Environment: SERVICE_NAME.")
    var name: String?

    @Option(help: "Service version. Environment: SERVICE_VERSION.")
    var version: String?

    @Option(help: "Pod name shown in answers. Environment: POD_NAME, HOSTNAME.")
    var instance: String?

    @Option(help: "Address to listen on.")
    var address: String = "0.0.0.0"

    @Option(help: "Port for HTTP/1.1 and HTTP/2 without TLS. Environment: PORT. (default: 8080)")
    var port: Int?

    @Option(
        name: .customLong("upstream"),
        help: ArgumentHelp(
            "A service to call for each request; with PATH= only for requests under PATH. Repeatable.",
            discussion: "{path} in the URL stands for the path that was asked for. Environment: UPSTREAMS.",
            valueName: "[PATH=]URL"
        )
    )
    var upstreams: [String] = []

    @Option(help: "Longest wait for an upstream.")
    var upstreamTimeout: String = "15s"

    @Flag(help: "Answer 200 although an upstream failed; the failure is in the answer.")
    var tolerateUpstreamErrors = false

    @Option(
        name: .customLong("propagate"),
        help: ArgumentHelp("A request header to pass on besides the tracing headers. Repeatable.", valueName: "header")
    )
    var propagated: [String] = []

    @Option(help: "Delay: 50ms, uniform(10ms,100ms), normal(50ms,10ms) or exponential(50ms).")
    var latency: String?

    @Option(help: "Share of requests that fail: 0.05 or 5%.")
    var errorRate: String?

    @Option(help: ArgumentHelp("How they fail. (default: 503)", valueName: "status|stall|reset"))
    var error: String?

    @Option(help: ArgumentHelp("Let the first attempts of each x-request-id fail.", valueName: "attempts"))
    var failFirst: String?

    @Option(help: ArgumentHelp("Padding in each answer.", valueName: "bytes"))
    var bodySize: String?

    @Option(help: "How long open requests may take after SIGTERM.")
    var grace: String = "5s"

    @Option(help: "Event loop threads.")
    var threads: Int = 1

    func run() async throws {
        let options: ServiceOptions
        do {
            options = try makeOptions(environment: ProcessInfo.processInfo.environment)
        } catch {
            throw ValidationError(error.description)
        }
        // The handlers stand before the port is open: a supervisor may stop what it sees listening.
        let signals = TerminationSignals()
        let server = try await ExampleServer.start(options)
        print("\(options.name) \(options.version) listens on \(options.address):\(server.port)")
        fflush(nil)
        await signals.wait()
        try await server.stop()
    }

    private func makeOptions(environment: [String: String]) throws(ServiceError) -> ServiceOptions {
        var options = try ServiceOptions(environment: environment)
        options.name = name ?? options.name
        options.version = version ?? options.version
        options.instance = instance ?? options.instance
        if options.instance.isEmpty { options.instance = ProcessInfo.processInfo.hostName }
        options.address = address
        options.port = port ?? options.port
        for text in upstreams { options.upstreams.append(try UpstreamRule(text: text)) }
        options.upstreamTimeout = try parseDuration(upstreamTimeout)
        options.toleratesUpstreamErrors = tolerateUpstreamErrors
        options.propagatedHeaders = propagated
        options.grace = try parseDuration(grace)
        options.threads = threads
        let knobs: [(Behaviour.Knob, String?)] = [
            (.latency, latency), (.errorRate, errorRate), (.error, error), (.failFirst, failFirst),
            (.bodySize, bodySize),
        ]
        for case (let knob, let text?) in knobs { try options.behaviour.set(knob, to: text) }
        return options
    }
}

/// Waits for SIGTERM or SIGINT.
private final class TerminationSignals: Sendable {
    private let arrivals: AsyncStream<Void>
    private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        arrivals = stream
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield() }
            source.resume()
            return source
        }
    }

    func wait() async {
        for await _ in arrivals { return }
    }
}
