import TLS
import Testing

private let serverID = "spiffe://cluster.local/ns/default/sa/reviews"
private let clientID = "spiffe://cluster.local/ns/default/sa/productpage"

/// One authority, a server and a client, ready to be bent by a test.
private struct Mesh {
    let authority: Authority
    var client = TLSConfiguration(role: .client)
    var server = TLSConfiguration(role: .server)

    init() throws {
        authority = try Authority("root")
        try setClient(authority.issue(uri: clientID))
        try setServer(authority.issue(uri: serverID))
        client.trustAnchors = [authority.anchor]
        client.subjectAlternativeNames = [SubjectAlternativeNameMatcher(.uri, .exact(serverID))]
        server.trustAnchors = [authority.anchor]
        server.verification = .required
        client.applicationProtocols = ["istio-http/1.1", "istio", "http/1.1"]
        server.applicationProtocols = ["h2", "http/1.1"]
    }

    mutating func setClient(_ issued: Authority.Issued) throws {
        client.certificateChain = issued.chain
        client.privateKey = issued.key
    }

    mutating func setServer(_ issued: Authority.Issued) throws {
        server.certificateChain = issued.chain
        server.privateKey = issued.key
    }

    func pair(cut: Cut = Cut()) throws -> SessionPair {
        try SessionPair(
            client: TLSContext(client), server: TLSContext(server), cut: cut, serverName: "reviews.default")
    }
}

private let cuts = [
    Cut(), Cut(input: 1), Cut(input: 7, output: 200), Cut(input: 1, output: 128), Cut(input: 4096, output: 1500),
]

@Suite struct TLSSessionTests {
    @Test(arguments: [TLSConfiguration.Version.tls12, .tls13], cuts)
    func bytesCrossWholeHoweverTheyAreCut(version: TLSConfiguration.Version, cut: Cut) throws {
        var mesh = try Mesh()
        mesh.client.minimumVersion = version
        mesh.client.maximumVersion = version
        let pair = try mesh.pair(cut: cut)
        pair.run()
        #expect(pair.client.isEstablished)
        #expect(pair.server.isEstablished)
        #expect(pair.client.version == version)
        #expect(pair.server.version == version)
        #expect(pair.client.applicationProtocol == "http/1.1")
        #expect(pair.server.applicationProtocol == "http/1.1")
        #expect(pair.server.serverName == "reviews.default")
        #expect(pair.server.peer?.identity == Array(clientID.utf8))
        #expect(pair.client.peer?.identity == Array(serverID.utf8))
        #expect(pair.client.peer?.subject == Array("O=mesh".utf8))
        #expect(pair.client.cipherSuite != nil)

        let head = Array("POST / HTTP/1.1\r\n\r\n".utf8)
        let body = (0..<70_000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(pair.client.write(head, body) == .done)
        pair.run()
        #expect(pair.server.received == head + body)
        #expect(pair.server.write(Array("HTTP/1.1 200 OK\r\n\r\n".utf8)) == .done)
        pair.run()
        #expect(pair.client.received == Array("HTTP/1.1 200 OK\r\n\r\n".utf8))

        pair.client.shutdown()
        pair.run()
        #expect(pair.server.status == .closed)
        #expect(pair.server.failure == nil)
    }

    @Test func smallHeadAndBodyShareOneRecord() throws {
        let pair = try Mesh().pair()
        pair.run()
        #expect(pair.client.write([UInt8](repeating: 1, count: 300), [UInt8](repeating: 2, count: 900)) == .done)
        // One record: type 23, and its length covers all that was produced.
        let record = pair.client.outbox
        #expect(record[0] == 23)
        #expect(Int(record[3]) << 8 | Int(record[4]) == record.count - 5)
        pair.run()
        #expect(pair.server.received == [UInt8](repeating: 1, count: 300) + [UInt8](repeating: 2, count: 900))
    }

    @Test func plaintextThatDidNotFitIsReadWithoutNewCiphertext() throws {
        let pair = try Mesh().pair()
        pair.run()
        #expect(pair.client.write([UInt8](repeating: 9, count: 2500)) == .done)
        pair.server.inbox = pair.client.outbox
        pair.client.outbox = []
        #expect(pair.server.turn())
        #expect(pair.server.received.count == 1000)
        #expect(pair.server.inbox.isEmpty)
        #expect(pair.server.hasBufferedPlaintext)
        pair.run()
        #expect(pair.server.received.count == 2500)
        #expect(!pair.server.hasBufferedPlaintext)
    }

    @Test func aDamagedRecordEndsTheSession() throws {
        let pair = try Mesh().pair()
        pair.run()
        #expect(pair.client.write([UInt8](repeating: 9, count: 100)) == .done)
        pair.client.outbox[20] ^= 1
        pair.run()
        #expect(pair.server.status == .failed)
        #expect(pair.server.failure?.contains("damaged") == true)
    }

    @Test func plainHTTPOnATLSPortIsNamed() throws {
        let pair = try Mesh().pair()
        pair.server.inbox = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        #expect(pair.server.turn())
        #expect(pair.server.status == .failed)
        #expect(pair.server.failure == "the peer speaks plain HTTP on a TLS port")
    }

    @Test func aNewContextServesNewSessionsAndOldOnesGoOn() throws {
        var mesh = try Mesh()
        let old = try mesh.pair()
        old.run()
        try mesh.setServer(mesh.authority.issue(uri: serverID))
        let new = try mesh.pair()
        new.run()
        #expect(old.client.peer?.serialNumber != new.client.peer?.serialNumber)
        #expect(old.client.write([1, 2, 3]) == .done)
        old.run()
        #expect(old.server.received == [1, 2, 3])
    }

    @Test func aPeerSeenBeforeIsVerifiedAgainFromMemory() throws {
        let mesh = try Mesh()
        let client = try TLSContext(mesh.client)
        let server = try TLSContext(mesh.server)
        var peers: [TLSCertificate?] = []
        for _ in 0..<2 {
            let pair = try SessionPair(client: client, server: server)
            pair.run()
            peers.append(pair.server.peer)
        }
        #expect(peers[0] != nil)
        #expect(peers[0] === peers[1])
    }
}

/// Who is let in, and what the log says when not.
@Suite struct MutualTLSTests {
    struct Refusal: Sendable, CustomTestStringConvertible {
        var name: String
        var bend: @Sendable (inout TLSConfiguration, inout TLSConfiguration, Authority, Authority) throws -> Void
        /// What the refusing side says.
        var client: String?
        var server: String?
        var testDescription: String { name }
    }

    static let refusals = [
        Refusal(
            name: "client without certificate",
            bend: { client, _, _, _ in client.certificateChain = .none },
            client: "requires a certificate", server: "sent no certificate and one is required"),
        Refusal(
            name: "client of a foreign authority",
            bend: { client, _, _, foreign in
                let issued = try foreign.issue(uri: clientID)
                (client.certificateChain, client.privateKey) = (issued.chain, issued.key)
            },
            client: "does not trust the CA", server: "no chain to a trust anchor: \(clientID)"),
        Refusal(
            name: "client certificate expired",
            bend: { client, _, authority, _ in
                let issued = try authority.issue(uri: clientID, from: -120, until: -60)
                (client.certificateChain, client.privateKey) = (issued.chain, issued.key)
            },
            client: "it has expired", server: "it has expired"),
        Refusal(
            name: "client certificate not valid yet",
            bend: { client, _, authority, _ in
                let issued = try authority.issue(uri: clientID, from: 60, until: 120)
                (client.certificateChain, client.privateKey) = (issued.chain, issued.key)
            },
            client: "refused our certificate", server: "not valid yet"),
        Refusal(
            name: "client of a foreign trust domain",
            bend: { _, server, _, _ in server.subjectAlternativeNames = [.spiffe(trustDomain: "other.example")] },
            client: "name is not accepted",
            server: "SAN \(clientID) is not in [spiffe://other.example/*]"),
        Refusal(
            name: "server of another service account",
            bend: { client, _, _, _ in
                client.subjectAlternativeNames = [SubjectAlternativeNameMatcher(.uri, .exact(clientID))]
            },
            client: "SAN \(serverID) is not in [\(clientID)]", server: "name is not accepted"),
        Refusal(
            name: "server of a foreign authority",
            bend: { _, server, _, foreign in
                let issued = try foreign.issue(uri: serverID)
                (server.certificateChain, server.privateKey) = (issued.chain, issued.key)
            },
            client: "no chain to a trust anchor", server: "does not trust the CA"),
        Refusal(
            name: "no version in common",
            bend: { client, server, _, _ in
                client.maximumVersion = .tls12
                server.minimumVersion = .tls13
            },
            client: "refused our TLS versions", server: "no TLS version that is allowed"),
        Refusal(
            name: "checked peers without any anchor are refused",
            bend: { _, server, _, _ in server.trustAnchors = [] },
            client: nil, server: "no chain to a trust anchor"),
    ]

    @Test(arguments: refusals, [TLSConfiguration.Version.tls12, .tls13])
    func refusalsAreExplainedOnBothSides(refusal: Refusal, version: TLSConfiguration.Version) throws {
        var mesh = try Mesh()
        if version == .tls12 { mesh.client.maximumVersion = .tls12 }
        try refusal.bend(&mesh.client, &mesh.server, mesh.authority, Authority("foreign"))
        let pair = try mesh.pair()
        pair.run()
        if let text = refusal.client {
            let failure = pair.client.failure ?? "none"
            // TLS 1.2 has no alert for a missing certificate: the peer hears of a handshake failure.
            #expect(failure.contains(text) || (version == .tls12 && failure.contains("refused")), "client: \(failure)")
        }
        if let text = refusal.server {
            #expect(pair.server.failure?.contains(text) == true, "server: \(pair.server.failure ?? "-")")
        }
        #expect(pair.server.received.isEmpty)
    }

    @Test func anAuthorityThatIsOneOfSeveralIsTrusted() throws {
        var mesh = try Mesh()
        let next = try Authority("next root")
        mesh.server.trustAnchors.append(next.anchor)
        try mesh.setClient(next.issue(uri: clientID))
        let pair = try mesh.pair()
        pair.run()
        #expect(pair.server.isEstablished)
        #expect(pair.server.peer?.identity == Array(clientID.utf8))
    }

    @Test func anOptionalClientCertificateMayBeMissing() throws {
        var mesh = try Mesh()
        mesh.server.verification = .optional
        mesh.client.certificateChain = .none
        let pair = try mesh.pair()
        pair.run()
        #expect(pair.server.isEstablished)
        #expect(pair.server.peer == nil)
    }

    @Test func aClientThatChecksNothingStillLearnsTheName() throws {
        var mesh = try Mesh()
        mesh.client.verification = .none
        mesh.client.trustAnchors = []
        let pair = try mesh.pair()
        pair.run()
        #expect(pair.client.isEstablished)
        #expect(pair.client.peer?.identity == Array(serverID.utf8))
    }

    @Test func aKeyOfAnotherCertificateIsRefusedWhenTheContextIsMade() throws {
        var mesh = try Mesh()
        mesh.server.privateKey = mesh.client.privateKey
        let server = mesh.server
        #expect { try TLSContext(server) } throws: { error in
            guard case .keyMismatch? = error as? TLSError else { return false }
            return true
        }
    }

    @Test(arguments: [
        ("", "no certificate found"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 0"),
    ])
    func badCertificatesAreNamed(pem: String, text: String) throws {
        var server = try Mesh().server
        server.certificateChain = .pem(pem)
        let configuration = server
        #expect { try TLSContext(configuration) } throws: { "\($0)".contains(text) }
    }
}

@Suite struct SubjectAlternativeNameTests {
    @Test(arguments: [
        (SubjectAlternativeNameMatcher(.dns, .exact("api.example.com")), true),
        (SubjectAlternativeNameMatcher(.dns, .exact("API.example.com")), true),
        (SubjectAlternativeNameMatcher(.dns, .exact("a.b.example.com")), false),
        (SubjectAlternativeNameMatcher(.dns, .exact("example.com")), false),
        (SubjectAlternativeNameMatcher(.uri, .exact("api.example.com")), false),
        (SubjectAlternativeNameMatcher(.any, .prefix("spiffe://cluster.local/")), true),
        (SubjectAlternativeNameMatcher(.uri, .suffix("/sa/x")), true),
        (SubjectAlternativeNameMatcher(.uri, .suffix("/sa/xy")), false),
        (SubjectAlternativeNameMatcher(.uri, .contains("/ns/n/")), true),
        (SubjectAlternativeNameMatcher(.uri, .contains("/ns/m/")), false),
        (.spiffe(trustDomain: "cluster.local"), true),
        (.spiffe(trustDomain: "cluster"), false),
        (SubjectAlternativeNameMatcher(.uri, .predicate(description: "long") { $0.count > 10 }), true),
    ])
    func matches(matcher: SubjectAlternativeNameMatcher, expected: Bool) throws {
        let authority = try Authority("root")
        let issued = try authority.issue(uri: "spiffe://cluster.local/ns/n/sa/x", dns: "*.example.com")
        var configuration = TLSConfiguration(role: .server)
        (configuration.certificateChain, configuration.privateKey) = (issued.chain, issued.key)
        let certificate = try #require(try TLSContext(configuration).certificate)
        #expect(matcher.matches(certificate) == expected)
    }
}
