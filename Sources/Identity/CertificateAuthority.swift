import Crypto
package import FoundationEssentials
import Glibc
import SwiftASN1
import X509

/// The mesh's certificate authority: a root that signs one intermediate, which signs the workloads' leaves.
///
/// It lives in a folder: `root.pem`, `root-key.pem`, `intermediate.pem`, `intermediate-key.pem`, all of mode 0600 and
/// made on first use. A user's own authority is taken instead when the folder holds Istio's plugged-in files
/// `ca-cert.pem`, `ca-key.pem`, `root-cert.pem` and, optionally, `cert-chain.pem`.
package struct CertificateAuthority: Sendable {
    package struct Issued: Sendable {
        /// PEM, leaf first, root last.
        package var chain: [String]
        package var notAfter: Date
        /// Hexadecimal.
        package var serialNumber: String
        /// SHA-256 of the public key, hexadecimal.
        package var keyDigest: String
    }

    private let issuer: Certificate
    private let issuerKey: Certificate.PrivateKey
    /// Above the leaf, in order, without the root; PEM.
    private let intermediates: [String]
    /// The anchors that workloads shall trust, PEM; the signing root is the last.
    package let trustAnchors: [String]
    /// The revocation lists of `ca-crl.pem`, PEM; empty without the file. Workloads get them with the anchors.
    package let revocationLists: String
    /// Whether it is a user's own.
    private let isPluggedIn: Bool

    private static let rootLifetime: TimeInterval = 3650 * 86400
    private static let intermediateLifetime: TimeInterval = 365 * 86400
    /// Clocks of two machines may differ by this much.
    private static let skew: TimeInterval = 120

    /// Opens the authority in `folder`, making it when there is none.
    package init(folder: String, now: Date) throws {
        if mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw IdentityError.file(path: folder, reason: String(cString: strerror(errno)))
        }
        if access(folder + "/ca-cert.pem", F_OK) == 0 {
            try self.init(pluggedIn: folder)
        } else {
            try self.init(own: folder, now: now)
        }
    }

    /// The authority as `folder` has it now. While one is in force no other is made up: files that are away for a moment,
    /// because somebody replaces them, are an error, and the one in force stays.
    package func reopened(folder: String, now: Date) throws -> CertificateAuthority {
        let isThere = { (name: String) in access("\(folder)/\(name)", F_OK) == 0 }
        let anchor = isPluggedIn ? "ca-cert.pem" : "root.pem"
        guard isThere("ca-cert.pem") || isThere(anchor) else {
            throw IdentityError.file(path: "\(folder)/\(anchor)", reason: "is gone")
        }
        return try CertificateAuthority(folder: folder, now: now)
    }

    private init(pluggedIn folder: String) throws {
        let certificate = try Self.certificate(folder + "/ca-cert.pem")
        let key = try Certificate.PrivateKey(pemEncoded: PrivateFile.read(folder + "/ca-key.pem"))
        guard key.publicKey == certificate.publicKey else {
            throw IdentityError.file(path: folder + "/ca-key.pem", reason: "is not the key of ca-cert.pem")
        }
        let chainFile = folder + "/cert-chain.pem"
        let chain = access(chainFile, F_OK) == 0 ? try PrivateFile.read(chainFile) : ""
        let roots = try Self.split(PrivateFile.read(folder + "/root-cert.pem"))
        let issuerPEM = try certificate.serializeAsPEM().pemString
        var intermediates = try Self.split(chain).filter { !roots.contains($0) }
        if !intermediates.contains(issuerPEM), !roots.contains(issuerPEM) { intermediates.insert(issuerPEM, at: 0) }
        self.init(
            issuer: certificate, key: key, intermediates: intermediates, anchors: roots,
            revocationLists: try Self.lists(folder), isPluggedIn: true)
    }

    private init(own folder: String, now: Date) throws {
        let rootFile = folder + "/root.pem"
        if access(rootFile, F_OK) != 0 {
            try Self.makeRoot(folder: folder, now: now)
            unlink(folder + "/intermediate.pem")
        }
        try RootRotation(folder: folder).advance(now: now)
        let root = try Self.certificate(rootFile)
        let intermediateFile = folder + "/intermediate.pem"
        var isFresh = false
        if access(intermediateFile, F_OK) == 0 {
            let current = try Self.certificate(intermediateFile)
            // Renewed at a fifth of its life left, so that no leaf is cut short, and under each new root.
            isFresh =
                current.notValidAfter.timeIntervalSince(now) > Self.intermediateLifetime / 5
                && root.publicKey.isValidSignature(current.signature, for: current)
        }
        if !isFresh { try Self.makeIntermediate(folder: folder, root: root, now: now) }
        let intermediate = try Self.certificate(intermediateFile)
        let key = try Certificate.PrivateKey(pemEncoded: PrivateFile.read(folder + "/intermediate-key.pem"))
        // Further anchors (of a root that comes or goes, of a second mesh) stand beside the own root.
        var anchors = [try root.serializeAsPEM().pemString]
        for name in ["additional-roots.pem", "retired-root.pem", "next-root.pem"] {
            let extra = folder + "/" + name
            if access(extra, F_OK) == 0 { anchors = try Self.split(PrivateFile.read(extra)) + anchors }
        }
        self.init(
            issuer: intermediate, key: key, intermediates: [try intermediate.serializeAsPEM().pemString],
            anchors: anchors, revocationLists: try Self.lists(folder), isPluggedIn: false
        )
    }

    private static func lists(_ folder: String) throws -> String {
        let file = folder + "/ca-crl.pem"
        guard access(file, F_OK) == 0 else { return "" }
        let text = try PrivateFile.read(file)
        guard text.contains("-----BEGIN X509 CRL-----") else {
            throw IdentityError.file(path: file, reason: "holds no revocation list (BEGIN X509 CRL)")
        }
        return text
    }

    private init(
        issuer: Certificate, key: Certificate.PrivateKey, intermediates: [String], anchors: [String],
        revocationLists: String, isPluggedIn: Bool
    ) {
        self.isPluggedIn = isPluggedIn
        self.revocationLists = revocationLists
        self.issuer = issuer
        issuerKey = key
        self.intermediates = intermediates
        trustAnchors = anchors
    }

    /// Signs a workload's request.
    /// - Parameters:
    ///   - requestPEM: the certificate signing request; its signature is checked, of its names only that they do not
    ///     claim another identity.
    ///   - identity: who the requester proved to be; this is what the certificate says.
    ///   - lifetime: seconds; cut to what the issuer itself has left.
    package func sign(requestPEM: String, identity: SPIFFEID, lifetime: TimeInterval, now: Date) throws -> Issued {
        try sign(requestPEM: requestPEM, identity: identity, further: [], lifetime: lifetime, now: now)
    }

    /// Signs for a server that is also called by names and addresses: the control plane itself.
    /// - Parameter names: DNS names, and addresses in their text form.
    package func signServer(
        requestPEM: String, identity: SPIFFEID, names: [String], lifetime: TimeInterval, now: Date
    ) throws -> Issued {
        let further = names.map { name -> GeneralName in
            IPAddressText.bytes(name).map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) } ?? .dnsName(name)
        }
        return try sign(requestPEM: requestPEM, identity: identity, further: further, lifetime: lifetime, now: now)
    }

    private func sign(
        requestPEM: String, identity: SPIFFEID, further: [GeneralName], lifetime: TimeInterval, now: Date
    ) throws -> Issued {
        guard requestPEM.utf8.count <= 16384 else { throw IdentityError.malformedRequest("longer than 16 KiB") }
        let request: CertificateSigningRequest
        do {
            request = try CertificateSigningRequest(pemEncoded: requestPEM)
        } catch {
            throw IdentityError.malformedRequest("it is not a PEM certificate request: \(error)")
        }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw IdentityError.malformedRequest("its signature does not verify")
        }
        try checkNames(request, identity: identity)
        // Certificates know whole seconds only: what is promised is rounded up, not down.
        let end = now.addingTimeInterval(lifetime).timeIntervalSince1970.rounded(.up)
        let notAfter = min(Date(timeIntervalSince1970: end), issuer.notValidAfter)
        let leaf = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: request.publicKey,
            notValidBefore: now.addingTimeInterval(-Self.skew),
            notValidAfter: notAfter,
            issuer: issuer.subject,
            subject: DistinguishedName(),
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                // RFC 5280 section 4.2.1.6: critical, because the subject is empty.
                Critical(SubjectAlternativeNames([.uniformResourceIdentifier(identity.description)] + further))
                AuthorityKeyIdentifier(keyIdentifier: Self.keyIdentifier(issuer.publicKey))
            },
            issuerPrivateKey: issuerKey
        )
        // All anchors are one element, the last, as Istio sends them: who takes only certificates one by one still finds
        // the signing root first.
        let bundle = trustAnchors.reversed() + (revocationLists.isEmpty ? [] : [revocationLists])
        let anchors = bundle.joined(separator: "\n")
        return Issued(
            chain: [try leaf.serializeAsPEM().pemString] + intermediates + [anchors], notAfter: notAfter,
            serialNumber: leaf.serialNumber.bytes.map(\.hexadecimal).joined(),
            keyDigest: SHA256.hash(data: request.publicKey.subjectPublicKeyInfoBytes).map(\.hexadecimal).joined())
    }

    private func checkNames(_ request: CertificateSigningRequest, identity: SPIFFEID) throws {
        guard let extensions = try request.attributes.extensionRequest?.extensions,
            let names = try extensions.subjectAlternativeNames
        else { return }
        for name in names {
            if case .uniformResourceIdentifier(let uri) = name, uri == identity.description { continue }
            throw IdentityError.foreignIdentity(requested: "\(name)", granted: identity.description)
        }
    }

    /// When the certificates end that everything hangs on: the signing one, and each anchor with its name.
    package var expiries: [(name: String, notAfter: Date)] {
        var found = [("signing certificate", issuer.notValidAfter)]
        for anchor in trustAnchors {
            guard let certificate = try? Certificate(pemEncoded: anchor) else { continue }
            found.append(("root \(Self.fingerprint(certificate))", certificate.notValidAfter))
        }
        return found
    }

    /// What stands above each leaf: subject and fingerprint, the anchors last.
    package var chainNames: [String] {
        (intermediates + trustAnchors.reversed()).compactMap { pem in
            (try? Certificate(pemEncoded: pem)).map { "\($0.subject) (\(Self.fingerprint($0)))" }
        }
    }

    /// The first bytes of the SHA-256 of a certificate: enough to tell roots apart in a list.
    static func fingerprint(_ certificate: Certificate) -> String {
        var serializer = DER.Serializer()
        guard (try? serializer.serialize(certificate)) != nil else { return "?" }
        return SHA256.hash(data: serializer.serializedBytes).prefix(6).map(\.hexadecimal).joined()
    }

    /// What tells whether the folder holds something else than when it was opened.
    package static func stamp(folder: String) -> [String] {
        [
            "root.pem", "root-key.pem", "next-root.pem", "retired-root.pem", "additional-roots.pem", "intermediate.pem",
            "ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem", "ca-crl.pem",
        ].map { name in
            var status = stat()
            guard stat("\(folder)/\(name)", &status) == 0 else { return "" }
            return "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        }
    }

    static func makeRoot(folder: String, name file: String = "root", now: Date) throws {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName {
            OrganizationName("cluster.local")
            CommonName("Martlet root")
        }
        let certificate = try authorityCertificate(
            subject: name, publicKey: Certificate.PrivateKey(key).publicKey, issuer: name,
            issuerKey: Certificate.PrivateKey(key), pathLength: nil, lifetime: rootLifetime, now: now
        )
        try PrivateFile.write(key.pemRepresentation + "\n", to: "\(folder)/\(file)-key.pem")
        try PrivateFile.write(certificate.serializeAsPEM().pemString + "\n", to: "\(folder)/\(file).pem")
    }

    private static func makeIntermediate(folder: String, root: Certificate, now: Date) throws {
        let rootKey = try Certificate.PrivateKey(pemEncoded: PrivateFile.read(folder + "/root-key.pem"))
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName {
            OrganizationName("cluster.local")
            CommonName("Martlet intermediate")
        }
        let certificate = try authorityCertificate(
            subject: name, publicKey: Certificate.PrivateKey(key).publicKey, issuer: root.subject, issuerKey: rootKey,
            pathLength: 0, lifetime: intermediateLifetime, now: now
        )
        try PrivateFile.write(key.pemRepresentation + "\n", to: folder + "/intermediate-key.pem")
        try PrivateFile.write(certificate.serializeAsPEM().pemString + "\n", to: folder + "/intermediate.pem")
    }

    private static func authorityCertificate(
        subject: DistinguishedName, publicKey: Certificate.PublicKey, issuer: DistinguishedName,
        issuerKey: Certificate.PrivateKey, pathLength: Int?, lifetime: TimeInterval, now: Date
    ) throws -> Certificate {
        try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-skew),
            notValidAfter: now.addingTimeInterval(lifetime),
            issuer: issuer,
            subject: subject,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: pathLength))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(keyIdentifier: keyIdentifier(publicKey))
                AuthorityKeyIdentifier(keyIdentifier: keyIdentifier(issuerKey.publicKey))
            },
            issuerPrivateKey: issuerKey
        )
    }

    /// RFC 7093 method 1: the leftmost 160 bits of the SHA-256 of the key.
    private static func keyIdentifier(_ key: Certificate.PublicKey) -> ArraySlice<UInt8> {
        Array(SHA256.hash(data: Array(key.subjectPublicKeyInfoBytes)))[0..<20]
    }

    private static func certificate(_ path: String) throws -> Certificate {
        do {
            return try Certificate(pemEncoded: PrivateFile.read(path))
        } catch let error as IdentityError {
            throw error
        } catch {
            throw IdentityError.file(path: path, reason: "is not a PEM certificate: \(error)")
        }
    }

    /// The certificates of a PEM bundle, each in normal form.
    private static func split(_ bundle: String) throws -> [String] {
        try PEMDocument.parseMultiple(pemString: bundle).map(\.pemString)
    }
}
