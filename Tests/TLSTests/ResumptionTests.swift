import TLS
import Testing

private let serverID = "spiffe://cluster.local/ns/default/sa/reviews"
private let clientID = "spiffe://cluster.local/ns/default/sa/productpage"

/// Short handshakes: with whom, and for how long.
@Suite struct ResumptionTests {
    private static let versions = [TLSConfiguration.Version.tls12, .tls13]

    private let authority: Authority
    private var client = TLSConfiguration(role: .client)
    private var server = TLSConfiguration(role: .server)

    init() throws {
        authority = try Authority("root")
        let callee = try authority.issue(uri: serverID)
        let caller = try authority.issue(uri: clientID)
        client.certificateChain = caller.chain
        client.privateKey = caller.key
        client.trustAnchors = [authority.anchor]
        client.subjectAlternativeNames = [SubjectAlternativeNameMatcher(.uri, .exact(serverID))]
        client.resumesSessions = true
        server.certificateChain = callee.chain
        server.privateKey = callee.key
        server.trustAnchors = [authority.anchor]
        server.verification = .required
        server.resumesSessions = true
    }

    /// A handshake and a byte each way, after which the client has its tickets.
    private func meet(_ client: TLSContext, _ server: TLSContext, name: String = "reviews") throws -> SessionPair {
        let pair = try SessionPair(client: client, server: server, serverName: name)
        pair.run()
        _ = pair.client.write([1])
        _ = pair.server.write([2])
        pair.run()
        return pair
    }

    @Test(arguments: versions)
    func aPeerThatWasMetIsMetAgainByAShortHandshakeAndStaysWhoItIs(version: TLSConfiguration.Version) throws {
        var (client, server) = (client, server)
        client.maximumVersion = version
        server.maximumVersion = version
        let (calling, called) = (try TLSContext(client), try TLSContext(server))
        for round in 0..<3 {
            let pair = try meet(calling, called)
            #expect(pair.client.isResumed == (round > 0))
            #expect(pair.server.isResumed == (round > 0))
            #expect(pair.server.received == [1])
            #expect(pair.client.received == [2])
            #expect(pair.server.peer?.identity == Array(clientID.utf8))
            #expect(pair.client.peer?.identity == Array(serverID.utf8))
        }
    }

    @Test(arguments: versions)
    func noTicketOutlivesItsContext(version: TLSConfiguration.Version) throws {
        var (client, server) = (client, server)
        client.maximumVersion = version
        server.maximumVersion = version
        let calling = try TLSContext(client)
        _ = try meet(calling, TLSContext(server))
        // Another trust bundle, and with it another context: the client's ticket is worth nothing there.
        server.trustAnchors = [try Authority("other").anchor]
        let pair = try meet(calling, TLSContext(server))
        #expect(!pair.server.isResumed)
        #expect(!pair.server.isEstablished)
        #expect(pair.server.failure?.contains("no chain to a trust anchor") == true)
    }

    @Test func aCertificateThatHasExpiredMeanwhileIsRefused() throws {
        var client = client
        let brief = try authority.issue(uri: clientID, until: 2)
        client.certificateChain = brief.chain
        client.privateKey = brief.key
        let (calling, called) = (try TLSContext(client), try TLSContext(server))
        #expect(try meet(calling, called).server.isEstablished)
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            let pair = try meet(calling, called)
            guard pair.server.failure != nil else { continue }
            #expect(pair.server.failure?.contains("expired") == true)
            #expect(pair.server.peer == nil || !pair.server.isEstablished)
            return
        }
        Issue.record("an expired certificate was let in")
    }

    @Test func sessionsOfOneNameAreNotPresentedToAnother() throws {
        let (calling, called) = (try TLSContext(client), try TLSContext(server))
        _ = try meet(calling, called, name: "a")
        #expect(try !meet(calling, called, name: "b").client.isResumed)
        #expect(try meet(calling, called, name: "a").client.isResumed)
    }

    @Test func aServerThatIsToldNotToIssuesNoTickets() throws {
        var server = server
        server.resumesSessions = false
        let (calling, called) = (try TLSContext(client), try TLSContext(server))
        for _ in 0..<2 { #expect(try !meet(calling, called).client.isResumed) }
    }
}
