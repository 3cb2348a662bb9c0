import TLS
import Testing

@Suite struct ClientHelloTests {
    private func hello(serverName: String? = "Reviews.Default", protocols: [String] = ["istio", "h2"]) throws -> [UInt8]
    {
        var configuration = TLSConfiguration(role: .client)
        configuration.verification = .none
        configuration.applicationProtocols = protocols
        let side = try Side(TLSContext(configuration), cut: Cut(), serverName: serverName)
        _ = side.turn()
        return side.outbox
    }

    @Test func serverNameAndProtocolsAreFound() throws {
        let bytes = try hello()
        #expect(
            ClientHello.peek(bytes.span.bytes)
                == .hello(
                    ClientHello(
                        serverName: "reviews.default", applicationProtocols: ["istio", "h2"], offersTLS13: true)))
    }

    @Test func aHelloWithoutNamesIsStillAHello() throws {
        let bytes = try hello(serverName: nil, protocols: [])
        #expect(
            ClientHello.peek(bytes.span.bytes)
                == .hello(ClientHello(serverName: nil, applicationProtocols: [], offersTLS13: true)))
    }

    @Test func everyPrefixAsksForMore() throws {
        let bytes = try hello()
        for count in 0..<bytes.count {
            #expect(ClientHello.peek(Array(bytes[..<count]).span.bytes) == .needsMore, "\(count) bytes")
        }
    }

    @Test func aHelloCutIntoSmallRecordsIsRead() throws {
        let bytes = try hello()
        var cut: [UInt8] = []
        for start in stride(from: 5, to: bytes.count, by: 50) {
            let piece = bytes[start..<min(start + 50, bytes.count)]
            cut += [22, 3, 1, 0, UInt8(piece.count)] + piece
        }
        #expect(ClientHello.peek(cut.span.bytes) == ClientHello.peek(bytes.span.bytes))
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "\u{16}\u{2}", "PRI * HTTP/2.0", "\u{16}\u{3}\u{1}\u{7f}\u{7f}"])
    func otherProtocolsAreNotTLS(text: String) {
        #expect(ClientHello.peek(Array(text.utf8).span.bytes) == .notTLS)
    }

    /// Any bytes give an answer; the seed of a failure is in the message.
    @Test func damagedHellosNeverTrap() throws {
        let bytes = try hello()
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(truncatingIfNeeded: state >> 33) % bound
        }
        print("ClientHello fuzz seed \(seed)")
        for _ in 0..<20_000 {
            var damaged = bytes
            for _ in 0..<(1 + random(4)) { damaged[random(damaged.count)] = UInt8(random(256)) }
            if random(3) == 0 { damaged.removeLast(random(damaged.count)) }
            _ = ClientHello.peek(damaged.span.bytes)
        }
    }
}
