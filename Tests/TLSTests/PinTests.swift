import Crypto
import Foundation
import TLS
import Testing

@Suite("Pinned certificates and keys")
struct PinTests {
    private enum Pin: CaseIterable { case none, key, certificate, otherKey, otherCertificate, bothOneWrong }

    /// What a server with this pin makes of a client, and of one whose authority it does not know.
    private func accepts(_ pin: Pin, trusts: Bool = true, known: Bool = true) throws -> Bool {
        let authority = try Authority("pins")
        let stranger = try Authority("strangers")
        let own = try authority.issue(dns: "server.test")
        let theirs = try (known ? authority : stranger).issue(dns: "client.test")
        guard case .pem(let text) = theirs.key, case .pem(let chain) = theirs.chain else { return false }
        let key = try P256.Signing.PrivateKey(pemRepresentation: String(decoding: text, as: UTF8.self))
        let body = String(decoding: chain, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("-----") }
        let der = try #require(Data(base64Encoded: body.joined()))
        let good = (Array(SHA256.hash(data: key.publicKey.derRepresentation)), Array(SHA256.hash(data: der)))
        let bad = [UInt8](repeating: 7, count: 32)
        var server = TLSConfiguration(role: .server)
        (server.certificateChain, server.privateKey) = (own.chain, own.key)
        server.verification = .required
        if trusts { server.trustAnchors = [authority.anchor] } else { server.acceptUntrusted = true }
        switch pin {
        case .none: break
        case .key: server.pinnedKeys = [bad, good.0]
        case .certificate: server.pinnedCertificates = [good.1]
        case .otherKey: server.pinnedKeys = [bad]
        case .otherCertificate: server.pinnedCertificates = [bad]
        case .bothOneWrong: (server.pinnedKeys, server.pinnedCertificates) = ([good.0], [bad])
        }
        var client = TLSConfiguration(role: .client)
        client.trustAnchors = [authority.anchor]
        (client.certificateChain, client.privateKey) = (theirs.chain, theirs.key)
        let pair = try SessionPair(client: TLSContext(client), server: TLSContext(server))
        pair.run()
        if let failure = pair.server.failure {
            #expect(failure.contains("is pinned") || !known, "\(failure)")
        }
        return pair.server.isEstablished
    }

    @Test("the leaf must be pinned, or its key, and be trusted as well")
    func pins() throws {
        for pin in Pin.allCases {
            #expect(try accepts(pin) == ![.otherKey, .otherCertificate].contains(pin), "\(pin)")
        }
        #expect(!(try accepts(.key, known: false)), "a pin beside anchors does not replace them")
    }

    @Test("without anchors a pin is all the proof there is")
    func pinsAlone() throws {
        #expect(try accepts(.key, trusts: false, known: false))
        #expect(!(try accepts(.otherKey, trusts: false, known: false)))
    }
}
