import EventLoop
import Proxy

/// A client of a simulation, of either version of HTTP.
protocol SimulatedAsker: AnyObject {
    var socket: Int32 { get }
    /// How many requests it may make.
    var asked: Int { get }
    /// Of the final answers that it got.
    var statuses: [Int] { get }
    var progress: String { get }

    func isDone(_ proxy: SimulatedProxy) -> Bool
    func act(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random)
    func listen(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) throws
    func checkEnd(_ proxy: SimulatedProxy) throws
    func finish(_ proxy: SimulatedProxy)
}

/// An endpoint's side of a connection of a simulation.
protocol SimulatedAnswerer: AnyObject {
    var socket: Int32 { get }

    /// Reads and writes; `onHead` is told the name and the method of each request that arrives.
    func act(
        _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random, onHead: (Int?, String) throws -> Void
    ) throws
    func finish(_ proxy: SimulatedProxy)
}

/// HTTP/1.1.
final class PlainAsker: SimulatedAsker {
    private var client: SimulatedClient
    init(_ client: SimulatedClient) { self.client = client }

    var socket: Int32 { client.socket }
    var asked: Int { client.planned.count }
    var statuses: [Int] { client.answers.map(\.status) }
    var progress: String { "\(client.socket): \(client.answers.count)/\(client.planned.count) \(client.end)" }

    func isDone(_ proxy: SimulatedProxy) -> Bool { client.isDone(proxy) }
    func act(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) {
        client.act(proxy, scenario, &random)
    }
    func listen(_ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random) throws {
        try client.listen(proxy, scenario, &random)
    }
    func checkEnd(_ proxy: SimulatedProxy) throws { try client.checkEnd(proxy) }
    func finish(_ proxy: SimulatedProxy) { client.finish(proxy) }
}

/// HTTP/1.1.
final class PlainAnswerer: SimulatedAnswerer {
    private var endpoint: SimulatedEndpoint
    init(socket: Int32) { endpoint = SimulatedEndpoint(socket: socket) }

    var socket: Int32 { endpoint.socket }

    func act(
        _ proxy: SimulatedProxy, _ scenario: Scenario, _ random: inout Random, onHead: (Int?, String) throws -> Void
    ) throws {
        try endpoint.act(proxy, scenario, &random) { try onHead($0.id, $0.method) }
    }
    func finish(_ proxy: SimulatedProxy) { endpoint.finish(proxy) }
}
