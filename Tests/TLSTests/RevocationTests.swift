import Foundation
import TLS
import Testing

/// Authorities, leaves and revocation lists made by openssl, which knows nothing of our code.
private final class Workshop {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "revocation-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let config = """
            [ca]
            default_ca = d
            [d]
            database = index
            crlnumber = number
            default_md = sha256
            [req]
            distinguished_name = dn
            prompt = no
            [dn]
            CN = an authority
            [root]
            basicConstraints = critical,CA:TRUE
            keyUsage = critical,keyCertSign,cRLSign
            subjectKeyIdentifier = hash
            [leaf]
            keyUsage = critical,digitalSignature
            extendedKeyUsage = serverAuth,clientAuth
            subjectAltName = URI:spiffe://cluster.local/ns/default/sa/a
            """
        try Data(config.utf8).write(to: folder.appending(path: "config"))
        try Data().write(to: folder.appending(path: "index"))
        try Data("01\n".utf8).write(to: folder.appending(path: "number"))
        try openssl("req", "-x509", "-extensions", "root", "-days", "2", "-out", "ca.pem", key: "ca-key.pem")
        for (number, name) in ["good", "bad"].enumerated() {
            try openssl("req", "-subj", "/CN=\(name)", "-out", "\(name).csr", key: "\(name)-key.pem")
            try openssl(
                "x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-set_serial",
                "\(number + 5)", "-days", "1", "-extfile", "config", "-extensions", "leaf", "-out", "\(name).pem")
        }
        try openssl("ca", "-config", "config", "-revoke", "bad.pem", "-keyfile", "ca-key.pem", "-cert", "ca.pem")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func openssl(_ words: String..., key: String) throws {
        let new = [
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-config", "config",
        ]
        try run(words + new)
    }

    func openssl(_ words: String...) throws { try run(words) }

    private func run(_ words: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + words
        process.currentDirectoryURL = folder
        process.standardOutput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let text = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(words): \(String(decoding: text, as: UTF8.self))")
    }

    func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    /// What the server says of a client with this certificate; nil when it believes it.
    func verdict(on name: String, trust: String) throws -> String? {
        var client = TLSConfiguration(role: .client)
        client.certificateChain = .pem(try text("\(name).pem"))
        client.privateKey = .pem(try text("\(name)-key.pem"))
        client.verification = .none
        var server = TLSConfiguration(role: .server)
        server.certificateChain = .pem(try text("good.pem"))
        server.privateKey = .pem(try text("good-key.pem"))
        server.trustAnchors = [.pem(trust)]
        server.verification = .required
        let pair = try SessionPair(
            client: TLSContext(client), server: TLSContext(server), cut: Cut(), serverName: "a")
        pair.run()
        return pair.server.isEstablished ? nil : pair.server.failure ?? "no reason"
    }
}

@Suite struct RevocationTests {
    @Test func listsInABundleRevokeWhatTheyName() throws {
        let workshop = try Workshop()
        let anchors = try workshop.text("ca.pem")
        #expect(try workshop.verdict(on: "bad", trust: anchors) == nil)
        try workshop.openssl(
            "ca", "-config", "config", "-gencrl", "-crldays", "1", "-keyfile", "ca-key.pem", "-cert", "ca.pem", "-out",
            "list.pem")
        let bundle = anchors + "\n" + (try workshop.text("list.pem"))
        #expect(try workshop.verdict(on: "good", trust: bundle) == nil)
        #expect(try workshop.verdict(on: "bad", trust: bundle)?.contains("it has been revoked") == true)
    }

    @Test func aListThatHasEndedProvesNothing() throws {
        let workshop = try Workshop()
        try workshop.openssl(
            "ca", "-config", "config", "-gencrl", "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate",
            "20200201000000Z",
            "-keyfile", "ca-key.pem", "-cert", "ca.pem", "-out", "list.pem")
        let bundle = try workshop.text("ca.pem") + "\n" + (try workshop.text("list.pem"))
        #expect(try workshop.verdict(on: "good", trust: bundle)?.contains("publish a new one") == true)
    }

    @Test(arguments: [
        ("no list", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
        ("damaged", "-----BEGIN X509 CRL-----\nA*A\n-----END X509 CRL-----\n"),
        ("cut off", "-----BEGIN X509 CRL-----\nAAAA\n"),
    ])
    func whatIsNoListIsNamed(what: String, list: String) throws {
        let workshop = try Workshop()
        let bundle = try workshop.text("ca.pem") + "\n" + list
        #expect(throws: TLSError.self) { try workshop.verdict(on: "good", trust: bundle) }
    }
}
