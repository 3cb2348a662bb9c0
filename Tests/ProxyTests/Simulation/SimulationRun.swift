import EventLoop
import Proxy
import Resilience
import Telemetry

/// One seed from its first to its last event.
final class SimulationRun {
    private var random: Random
    private let scenario: Scenario
    private let proxy: SimulatedProxy
    private var clients: [any SimulatedAsker] = []
    private var endpoints: [any SimulatedAnswerer] = []
    private var refusals = 0
    /// Times that a request has reached an endpoint.
    private var arrivals: [Int: Int] = [:]
    private var generation: UInt64 = 1
    /// Of all configurations that there were.
    private var breakers: [CircuitBreaker] = []

    init(seed: UInt64, streams: Bool) throws {
        random = Random(state: seed &* 0x9e37_79b9 &+ 0x1234_5678)
        scenario = Scenario(&random, streams: streams)
        proxy = try SimulatedProxy(seed: seed, weather: scenario.weather)
        try configure(number: 0)
    }

    private func configure(number: Int) throws {
        let snapshot = try scenario.snapshot(generation: generation, number: number, &random)
        breakers += snapshot.clusters.compactMap { $0?.breaker }
        proxy.apply(snapshot)
    }

    func run() throws {
        var toDial = scenario.clients
        var step = 0
        var swapsLeft = scenario.configurationSwaps
        while toDial > 0 || clients.contains(where: { !$0.isDone(proxy) }) {
            step += 1
            // What waits for an endpoint that never answers ends by its own time limits: they are let pass.
            if step > 600 { proxy.world { $0.advance(milliseconds: step > 4_000 ? 60_000 : 500) } }
            guard step < 12_000 else { throw Broken("stuck: \(progress)") }
            if toDial > 0, random.below(3) == 0 {
                toDial -= 1
                dial()
            }
            if swapsLeft > 0, random.below(40) == 0 {
                swapsLeft -= 1
                generation += 1
                try configure(number: swapsLeft + 1)
            }
            if step == scenario.drainsAtStep {
                toDial = 0
                proxy.drain(milliseconds: 30_000)
            }
            for index in clients.indices { clients[index].act(proxy, scenario, &random) }
            try moveEndpoints()
            proxy.turn(maxWait: Int32(random.below(4)))
            for index in clients.indices { try clients[index].listen(proxy, scenario, &random) }
        }
        try settle()
        try checkLeftovers()
        try checkTotals()
    }

    private func dial() {
        let address = random.below(3) == 0 ? Scenario.second : Scenario.address
        guard let socket = proxy.world({ $0.dial(address) }) else { return }
        if scenario.isSlow {
            let window = 200 + random.below(5_000)
            proxy.world { $0.setWindow(socket, window) }
        }
        if random.below(100) < scenario.streamClients {
            clients.append(StreamAsker(number: clients.count, socket: socket, scenario, &random))
        } else {
            clients.append(
                PlainAsker(SimulatedClient(number: clients.count, socket: socket, scenario, &random)))
        }
    }

    private func moveEndpoints() throws {
        for socket in proxy.world({ $0.takeOpened() }) {
            let isRefused = random.below(1000) < scenario.endpointTrouble / 8
            proxy.world { $0.complete(socket, error: isRefused ? 111 : 0) }
            if scenario.isSlow {
                let window = 200 + random.below(5_000)
                proxy.world { $0.setWindow(socket, window) }
            }
            if isRefused { continue }
            endpoints.append(
                scenario.hasStreamEndpoints ? StreamAnswerer(socket: socket, &random) : PlainAnswerer(socket: socket))
        }
        for index in endpoints.indices {
            try endpoints[index].act(proxy, scenario, &random) { id, method in
                guard let id else { throw Broken("a request without its name reached an endpoint") }
                arrivals[id, default: 0] += 1
                // A stream that is refused goes elsewhere, whatever its method.
                let isRepeatable = method != "POST" || scenario.hasStreamEndpoints
                let limit = 1 + Int(scenario.retries) + (isRepeatable ? 3 : 0)
                if arrivals[id, default: 0] > limit { throw Broken("request \(id) reached endpoints too often") }
            }
        }
    }

    /// Everyone goes home, in good weather.
    private func settle() throws {
        for client in clients { try client.checkEnd(proxy) }
        proxy.world { $0.weather = SimulatedTransport.Weather() }
        for index in clients.indices { clients[index].finish(proxy) }
        for round in 0..<60 {
            for socket in proxy.world({ $0.takeOpened() }) { proxy.world { $0.complete(socket, error: 111) } }
            for client in clients { _ = proxy.world { $0.takeSent(client.socket) } }
            for index in endpoints.indices {
                _ = proxy.world { $0.takeSent(endpoints[index].socket) }
                if round > 2 { endpoints[index].finish(proxy) }
            }
            proxy.turn(maxWait: 20)
            if round > 20 { proxy.world { $0.advance(milliseconds: 20_000) } }
        }
    }

    private func checkLeftovers() throws {
        let left = [
            ("exchanges", proxy.openExchanges), ("connections", proxy.openConnections),
            ("buffers", proxy.lentBuffers), ("queued requests", proxy.queuedRequests),
            ("requests that balancing counts", proxy.balancedRequests), ("pool activity", proxy.poolActivity),
            ("generations beside the current", proxy.liveGenerations - 1),
            ("timers", max(0, proxy.pendingTimers - 1)),
        ]
        for (what, count) in left where count != 0 { throw Broken("\(count) \(what) left over") }
        for breaker in breakers {
            let permits = [CircuitBreaker.Resource.connection, .pendingRequest, .request, .retry].map(breaker.active)
            if permits.contains(where: { $0 != 0 }) { throw Broken("permits left over: \(permits)") }
        }
    }

    /// What the proxy counted agrees with what clients saw.
    private func checkTotals() throws {
        let metrics = proxy.metrics
        let http = metrics.http[0]
        let seen = clients.reduce(0) { $0 + $1.statuses.count }
        let asked = clients.reduce(0) { $0 + $1.asked }
        guard http.requests >= seen, http.requests <= asked else {
            throw Broken("counted \(http.requests) requests; clients saw \(seen) answers to \(asked)")
        }
        for digit in 2...5 {
            let answers = clients.reduce(0) { $0 + $1.statuses.count { $0 / 100 == digit } }
            guard http.outcomes.classes[digit] >= answers else {
                throw Broken("counted \(http.outcomes.classes[digit]) answers of \(digit)xx, clients saw \(answers)")
            }
        }
        guard http.activeConnections == 0, http.connections <= clients.count else {
            throw Broken("counted \(http.activeConnections) open of \(http.connections) connections")
        }
        for number in 0..<metrics.clusters.count {
            let cluster = metrics.clusters[number]
            guard cluster.activeRequests == 0, cluster.activeConnections == 0 else {
                throw Broken("\(metrics.clusters.names[number]): \(cluster.activeRequests) requests counted active")
            }
        }
    }

    private var progress: String {
        "\(clients.map(\.progress)), \(proxy.openExchanges) exchanges, \(proxy.openConnections) connections"
    }
}
