import EventLoop
import Proxy
import Resilience
import Testing

/// Seeded runs in bad weather: whatever is partial, late or blocked, every request is answered exactly once and nothing is
/// left over.
@Suite struct StormTests {
    private struct Client {
        var socket: Int32
        var expected: [[UInt8]] = []
        var toSend: [UInt8] = []
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func everyRequestIsAnsweredOnceWithItsOwnBody(seed: UInt64) throws {
        var random = Random(state: seed &* 7919 &+ 13)
        let world = try Simulation(seed: seed, weather: .stormy, endpoints: 1 + random.below(3))
        var clients = (0..<(1 + random.below(4))).map { _ in Client(socket: world.dial()) }
        for index in clients.indices {
            for number in 0..<(1 + random.below(5)) {
                let body =
                    Array("client \(index) request \(number) ".utf8)
                    + random.bytes(random.below(random.below(3) == 0 ? 40_000 : 300))
                clients[index].expected.append(body)
                clients[index].toSend += Self.request(body, chunked: random.below(2) == 0, random: &random)
            }
        }
        var answered = Array(repeating: 0, count: clients.count)
        var rounds = 0
        while zip(clients, answered).contains(where: { $0.expected.count > $1 }) {
            rounds += 1
            try #require(rounds < 20_000, "seed \(seed): stuck with \(answered) answered")
            for index in clients.indices where !clients[index].toSend.isEmpty && random.below(2) == 0 {
                let count = min(clients[index].toSend.count, 1 + random.below(9_000))
                let part = Array(clients[index].toSend.prefix(count))
                clients[index].toSend.removeFirst(count)
                world.proxy.world { $0.deliver(part, to: clients[index].socket) }
            }
            for socket in world.proxy.world({ $0.takeOpened() }) {
                world.proxy.world { $0.complete(socket) }
                world.opened.append(socket)
            }
            for socket in world.opened {
                if let request = world.request(on: socket) {
                    let response = Self.response(request.body, style: random.below(3), random: &random)
                    world.proxy.world { $0.deliver(response.bytes, to: socket) }
                    if response.ends { world.proxy.world { $0.end(socket) } }
                }
            }
            world.proxy.turn(maxWait: 5)
            for index in clients.indices {
                while let response = world.response(to: clients[index].socket) {
                    if response.isInterim { continue }
                    try #require(answered[index] < clients[index].expected.count, "seed \(seed): one answer too many")
                    #expect(response.status == 200, "seed \(seed)")
                    #expect(response.body == clients[index].expected[answered[index]], "seed \(seed)")
                    answered[index] += 1
                }
            }
        }
        for client in clients { world.proxy.world { $0.end(client.socket) } }
        for _ in 0..<200 { world.proxy.turn(maxWait: 5) }
        for socket in world.opened { world.proxy.world { $0.end(socket) } }
        for _ in 0..<200 { world.proxy.turn(maxWait: 5) }
        #expect(world.proxy.openExchanges == 0, "seed \(seed)")
        #expect(world.proxy.openConnections == 0, "seed \(seed)")
        #expect(world.proxy.lentBuffers == 0, "seed \(seed)")
    }

    /// Endpoints and clients vanish at random moments: nobody is left hanging, nothing is left over.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func whoeverVanishesNothingIsLeftOver(seed: UInt64) throws {
        var random = Random(state: seed &* 104_729 &+ 5)
        var policy = RetryPolicy()
        policy.conditions = [.serverError, .connectFailure]
        policy.retries = 2
        var weather = SimulatedTransport.Weather.stormy
        weather.failedConnects = 20
        let world = try Simulation(
            seed: seed, weather: weather, retry: policy, timeoutMilliseconds: 2_000, endpoints: 2)
        let clients = (0..<4).map { _ in world.dial() }
        for client in clients {
            for _ in 0..<(1 + random.below(3)) {
                let body = random.bytes(random.below(3_000))
                let bytes = Self.request(body, chunked: random.below(2) == 0, random: &random)
                world.proxy.world { $0.deliver(bytes, to: client) }
            }
        }
        for _ in 0..<600 {
            for socket in world.proxy.world({ $0.takeOpened() }) {
                world.proxy.world { $0.complete(socket, error: random.below(5) == 0 ? 111 : 0) }
                world.opened.append(socket)
            }
            for socket in world.opened {
                switch random.below(60) {
                case 0: world.proxy.world { $0.reset(socket) }
                case 1: world.proxy.world { $0.end(socket) }
                default: break
                }
                if let request = world.request(on: socket) {
                    let response = Self.response(request.body, style: random.below(3), random: &random)
                    let cut = random.below(4) == 0 ? random.below(response.bytes.count) : response.bytes.count
                    world.proxy.world { $0.deliver(Array(response.bytes.prefix(cut)), to: socket) }
                    if response.ends || cut < response.bytes.count { world.proxy.world { $0.end(socket) } }
                }
            }
            if random.below(100) == 0, let victim = clients.randomElement(using: &random) {
                world.proxy.world { $0.reset(victim) }
            }
            world.proxy.turn(maxWait: 5)
        }
        for client in clients { world.proxy.world { $0.reset(client) } }
        for socket in world.opened { world.proxy.world { $0.end(socket) } }
        for socket in world.proxy.world({ $0.takeOpened() }) { world.proxy.world { $0.complete(socket, error: 111) } }
        for _ in 0..<400 { world.proxy.turn(maxWait: 20) }
        #expect(world.proxy.openExchanges == 0, "seed \(seed)")
        #expect(world.proxy.openConnections == 0, "seed \(seed)")
        #expect(world.proxy.lentBuffers == 0, "seed \(seed)")
    }

    private static func request(_ body: [UInt8], chunked: Bool, random: inout Random) -> [UInt8] {
        let head = "POST /storm HTTP/1.1\r\nHost: storm\r\n"
        if !chunked { return Array("\(head)Content-Length: \(body.count)\r\n\r\n".utf8) + body }
        return Array("\(head)Transfer-Encoding: chunked\r\n\r\n".utf8) + chunks(body, &random)
    }

    private static func response(_ body: [UInt8], style: Int, random: inout Random) -> (bytes: [UInt8], ends: Bool) {
        switch style {
        case 0: return (Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body, false)
        case 1:
            return (Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8) + chunks(body, &random), false)
        default: return (Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + body, true)
        }
    }

    private static func chunks(_ body: [UInt8], _ random: inout Random) -> [UInt8] {
        var result: [UInt8] = []
        var rest = body[...]
        while !rest.isEmpty {
            let part = rest.prefix(1 + random.below(5_000))
            result += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + [13, 10]
            rest = rest.dropFirst(part.count)
        }
        return result + Array("0\r\n\r\n".utf8)
    }
}

/// SplitMix64.
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int { bound <= 0 ? 0 : Int(next() % UInt64(bound)) }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}
