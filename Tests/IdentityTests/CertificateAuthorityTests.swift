import Foundation
import Identity
import Testing

/// A folder that is gone after the test.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/martlet-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }
}

/// Runs openssl, which knows nothing of our code; returns its output and status.
private func openssl(_ arguments: String...) throws -> (output: String, status: Int32) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
}

@Suite("Certificate authority")
struct CertificateAuthorityTests {
    let identity: SPIFFEID
    let scratch: Scratch

    init() throws {
        identity = try SPIFFEID("spiffe://cluster.local/ns/shop/sa/cart")
        scratch = try Scratch()
    }

    @Test("openssl verifies what it signs, and reads the SPIFFE id")
    func verifies() throws {
        let authority = try CertificateAuthority(folder: scratch.path + "/ca", now: Date())
        let request = try SigningRequest(identity: identity)
        let issued = try authority.sign(
            requestPEM: request.requestPEM, identity: identity, lifetime: 3600, now: Date()
        )
        #expect(issued.chain.count == 3)
        let leaf = try scratch.write("leaf.pem", issued.chain[0])
        let intermediate = try scratch.write("intermediate.pem", issued.chain[1])
        let root = try scratch.write("root.pem", issued.chain[2])
        for purpose in ["sslserver", "sslclient"] {
            let check = try openssl(
                "verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, "-untrusted", intermediate, leaf
            )
            #expect(check.status == 0, "\(check.output)")
        }
        let text = try openssl("x509", "-in", leaf, "-noout", "-text").output
        #expect(text.contains("URI:spiffe://cluster.local/ns/shop/sa/cart"))
        #expect(text.contains("CA:FALSE"))
        #expect(text.contains("ASN1 OID: prime256v1"))
        let key = try scratch.write("key.pem", request.privateKeyPEM)
        let ofKey = try openssl("pkey", "-in", key, "-pubout").output
        let ofLeaf = try openssl("x509", "-in", leaf, "-noout", "-pubkey").output
        #expect(ofKey == ofLeaf)
    }

    @Test("The authority is the same after a restart, and its files are its owner's alone")
    func persists() throws {
        let folder = scratch.path + "/ca"
        let first = try CertificateAuthority(folder: folder, now: Date())
        let second = try CertificateAuthority(folder: folder, now: Date())
        #expect(first.trustAnchors == second.trustAnchors)
        for name in ["root.pem", "root-key.pem", "intermediate.pem", "intermediate-key.pem"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/" + name)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test("An authority whose files are away for a moment is not replaced by a new one")
    func isNotMadeUp() throws {
        let folder = scratch.path + "/ca"
        let files = FileManager.default
        let authority = try CertificateAuthority(folder: folder, now: Date())
        try files.moveItem(atPath: folder + "/root.pem", toPath: folder + "/away.pem")
        #expect(throws: IdentityError.self) { try authority.reopened(folder: folder, now: Date()) }
        #expect(!files.fileExists(atPath: folder + "/root.pem"))
        try files.moveItem(atPath: folder + "/away.pem", toPath: folder + "/root.pem")
        #expect(try authority.reopened(folder: folder, now: Date()).trustAnchors == authority.trustAnchors)
        // Going over to an own one, and then its files are away: what was made before is not taken up again.
        for (from, to) in [
            ("intermediate.pem", "ca-cert.pem"), ("intermediate-key.pem", "ca-key.pem"), ("root.pem", "root-cert.pem"),
        ] {
            try files.copyItem(atPath: folder + "/" + from, toPath: folder + "/" + to)
        }
        let own = try authority.reopened(folder: folder, now: Date())
        try files.removeItem(atPath: folder + "/ca-cert.pem")
        #expect(throws: IdentityError.self) { try own.reopened(folder: folder, now: Date()) }
    }

    @Test("A request that names another identity is refused")
    func refusesForeignNames() throws {
        let authority = try CertificateAuthority(folder: scratch.path + "/ca", now: Date())
        let other = try SPIFFEID("spiffe://cluster.local/ns/shop/sa/payments")
        let request = try SigningRequest(identity: other)
        #expect(throws: IdentityError.self) {
            try authority.sign(requestPEM: request.requestPEM, identity: identity, lifetime: 60, now: Date())
        }
    }

    @Test(
        "A request that is none is refused",
        arguments: ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "hello"]
    )
    func refusesGarbage(text: String) throws {
        let authority = try CertificateAuthority(folder: scratch.path + "/ca", now: Date())
        #expect(throws: IdentityError.self) {
            try authority.sign(requestPEM: text, identity: identity, lifetime: 60, now: Date())
        }
    }

    @Test("A leaf never outlives its issuer")
    func cutsLifetime() throws {
        let authority = try CertificateAuthority(folder: scratch.path + "/ca", now: Date())
        let request = try SigningRequest(identity: identity)
        let issued = try authority.sign(
            requestPEM: request.requestPEM, identity: identity, lifetime: 20 * 365 * 86400, now: Date()
        )
        #expect(issued.notAfter < Date().addingTimeInterval(366 * 86400))
    }

    @Test("Files of a user's own authority are taken instead of making one")
    func takesPluggedIn() throws {
        // Another authority's root and intermediate play the user's.
        let theirs = scratch.path + "/theirs"
        _ = try CertificateAuthority(folder: theirs, now: Date())
        let folder = scratch.path + "/ca"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (from, to) in [
            ("intermediate.pem", "ca-cert.pem"), ("intermediate-key.pem", "ca-key.pem"), ("root.pem", "root-cert.pem"),
        ] {
            try FileManager.default.copyItem(atPath: theirs + "/" + from, toPath: folder + "/" + to)
        }
        let authority = try CertificateAuthority(folder: folder, now: Date())
        #expect(!FileManager.default.fileExists(atPath: folder + "/root-key.pem"))
        let request = try SigningRequest(identity: identity)
        let issued = try authority.sign(requestPEM: request.requestPEM, identity: identity, lifetime: 60, now: Date())
        let root = try scratch.write("their-root.pem", issued.chain[2])
        let leaf = try scratch.write("leaf.pem", issued.chain[0])
        let intermediate = try scratch.write("intermediate.pem", issued.chain[1])
        let check = try openssl("verify", "-CAfile", root, "-untrusted", intermediate, leaf)
        #expect(check.status == 0, "\(check.output)")
    }
}
