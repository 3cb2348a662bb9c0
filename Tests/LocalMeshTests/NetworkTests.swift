import LocalMesh
import Testing

@Suite struct NetworkTests {
    @Test func addressesAreGivenOnceAndComeBackLast() {
        var pool = AddressPool()
        let first = pool.take()
        let second = pool.take()
        #expect(first?.description == "10.244.0.2")
        #expect(second?.description == "10.244.0.3")
        if let first { pool.giveBack(first) }
        #expect(pool.take()?.description == "10.244.0.4")
    }

    @Test func allAddressesOfThePoolAreDifferentAndThenItIsEmpty() {
        var pool = AddressPool()
        var seen: Set<IPv4Address> = []
        while let address = pool.take() { seen.insert(address) }
        #expect(seen.count == 65533)
        #expect(!seen.contains(AddressPool.bridge))
        #expect(seen.max()?.description == "10.244.255.254")
    }

    @Test(arguments: ["1.2.3", "1.2.3.4.5", "256.1.1.1", "a.b.c.d", "1..2.3", "+1.2.3.4", ""])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test(arguments: [
        (80, 8080, false), (443, 8443, false), (8080, 8080, false), (81, 8081, false), (15443, 15443, false),
    ])
    func aGatewayPortHasItsPlaceOnTheHost(port: UInt16, host: UInt16, exact: Bool) {
        let wanted = PortMapping().wanted(for: port)
        #expect(wanted.port == host)
        #expect(wanted.exact == exact)
    }

    @Test func aChosenPortIsTakenExactly() throws {
        let (gateway, host) = try PortMapping.parse("80=9000")
        let wanted = PortMapping(chosen: [gateway: host]).wanted(for: 80)
        #expect(wanted.port == 9000)
        #expect(wanted.exact)
    }

    @Test(arguments: ["80", "80=", "=80", "80=x", "0=80", "80=0", "80=9000=1"])
    func aPortMapWithAMistakeIsRefused(text: String) {
        #expect(throws: LocalMeshError.self) { try PortMapping.parse(text) }
    }

    @Test func theNextFreePortStandsInForATakenOne() throws {
        let ports = HostPorts(mapping: PortMapping())
        let first = try ports.open(18_080)
        let second = try ports.open(18_080)
        #expect(second.port > first.port)
        let exact = HostPorts(mapping: PortMapping(chosen: [80: first.port]))
        #expect(throws: LocalMeshError.self) { try exact.open(80) }
    }
}

@Suite struct EgressTests {
    @Test func whatLeavesTheMeshArrivesAtTheRelayAndUnknownServicesAreRefused() {
        let lines = Egress.rules.split(separator: "\n").map { String($0.trimmed) }
        #expect(lines.contains("ip daddr 10.244.0.0/16 return"))
        #expect(lines.contains("ip daddr 10.96.0.0/16 meta l4proto tcp redirect to :15199"))
        #expect(lines.contains("meta l4proto tcp redirect to :15100"))
    }
}
