import Agent
import Testing
import XDS

private func query(_ name: String, type: UInt16 = DNSMessage.RecordType.a, id: UInt16 = 7) -> [UInt8] {
    var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
    return bytes + [0, UInt8(type >> 8), UInt8(type & 0xff), 0, 1]
}

@Suite struct DNSMessageTests {
    @Test func aQueryIsReadWithoutRegardToCase() {
        let bytes = query("Reviews.Default")
        guard case .query(let parsed) = DNSMessage.parse(bytes) else {
            Issue.record("not a query")
            return
        }
        #expect(parsed.name == "reviews.default")
        #expect(parsed.type == DNSMessage.RecordType.a)
        #expect(parsed.id == 7)
        #expect(parsed.recursionDesired)
        #expect(parsed.question == Array(bytes[12...]))
    }

    @Test func anAnswerRepeatsTheQuestionAndPointsToItsName() {
        guard case .query(let parsed) = DNSMessage.parse(query("a.b")) else { return }
        let answer = DNSMessage.answer(parsed, addresses: [[10, 96, 1, 2]], ttl: 30)
        #expect(Array(answer[..<12]) == [0, 7, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
        #expect(Array(answer[12..<21]) == [1, 97, 1, 98, 0, 0, 1, 0, 1])
        #expect(Array(answer[21...]) == [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 96, 1, 2])
    }

    @Test func anAnswerStaysWithinWhatTheClientTakes() {
        guard case .query(let parsed) = DNSMessage.parse(query("a.b")) else { return }
        let many = (0..<200).map { [10, 0, 0, UInt8($0)] }
        let answer = DNSMessage.answer(parsed, addresses: many, ttl: 30)
        #expect(answer.count <= 512)
        #expect(answer[7] == 30)
    }

    @Test(
        arguments: [
            ("short", [1, 2, 3], DNSMessage.Parsed.ignore),
            ("a response", [0, 7, 0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0], .ignore),
            ("an update", [0, 7, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0], .refuse(id: 7, .notImplemented)),
            ("no question", [0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], .refuse(id: 7, .formatError)),
            ("two questions", [0, 7, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], .refuse(id: 7, .formatError)),
            (
                "a compressed name", [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1],
                .refuse(id: 7, .formatError)
            ),
            ("a name without end", [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 97, 98, 99], .refuse(id: 7, .formatError)),
            ("no type", [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1], .refuse(id: 7, .formatError)),
        ] as [(String, [UInt8], DNSMessage.Parsed)])
    func brokenMessagesAreRefused(what: String, bytes: [UInt8], expected: DNSMessage.Parsed) {
        #expect(DNSMessage.parse(bytes) == expected, "\(what)")
    }

    @Test func anyBytesGiveAnAnswer() {
        let seed = UInt64.random(in: .min ... .max)
        print("DNS fuzz seed \(seed)")
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(truncatingIfNeeded: state >> 33) % bound
        }
        let whole = query("reviews.default.svc.cluster.local")
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<(1 + random(5)) { bytes[random(bytes.count)] = UInt8(random(256)) }
            bytes.removeLast(random(bytes.count))
            _ = DNSMessage.parse(bytes)
        }
    }
}

@Suite struct NameTableTests {
    private static func table() -> NameTable {
        var message = Istio_Networking_Nds_V1_NameTable()
        func add(_ host: String, _ ips: [String], short: String = "", namespace: String = "") {
            var info = Istio_Networking_Nds_V1_NameTable.NameInfo()
            info.ips = ips
            info.shortname = short
            info.namespace = namespace
            message.table[host] = info
        }
        add("reviews.default.svc.cluster.local", ["10.96.0.1"], short: "reviews", namespace: "default")
        add("db.prod.svc.cluster.local", ["10.96.0.2"], short: "db", namespace: "prod")
        add("api.example.com", ["240.240.0.1", "2001:db8::1"])
        add("*.wild.example", ["240.240.0.2"])
        return NameTable(message, namespace: "default", domain: "cluster.local")
    }

    @Test(
        arguments: [
            ("reviews", [10, 96, 0, 1]),
            ("reviews.default", [10, 96, 0, 1]),
            ("reviews.default.svc", [10, 96, 0, 1]),
            ("reviews.default.svc.cluster.local", [10, 96, 0, 1]),
            ("reviews.default.default.svc.cluster.local", [10, 96, 0, 1]),
            ("db", nil),
            ("db.prod", [10, 96, 0, 2]),
            ("db.prod.svc.cluster.local", [10, 96, 0, 2]),
            ("db.default.svc.cluster.local", nil),
            ("api.example.com", [240, 240, 0, 1]),
            ("api.example.com.default.svc.cluster.local", [240, 240, 0, 1]),
            ("x.wild.example", [240, 240, 0, 2]),
            ("x.y.wild.example", [240, 240, 0, 2]),
            ("wild.example", nil),
            ("example.com", nil),
            ("", nil),
        ] as [(String, [UInt8]?)])
    func namesResolveInTheirForms(name: String, expected: [UInt8]?) {
        let found = Self.table().lookup(name, type: DNSMessage.RecordType.a)
        #expect(found == (expected.map { .known([$0]) } ?? .unknown))
    }

    @Test func aKnownNameWithoutAddressOfTheTypeIsNotUnknown() {
        #expect(Self.table().lookup("reviews", type: DNSMessage.RecordType.aaaa) == .known([]))
        #expect(Self.table().lookup("reviews", type: 16) == .known([]))
        #expect(Self.table().lookup("nothing", type: DNSMessage.RecordType.aaaa) == .unknown)
        let v6 = Self.table().lookup("api.example.com", type: DNSMessage.RecordType.aaaa)
        #expect(v6 == .known([[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]))
    }
}
