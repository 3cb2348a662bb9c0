import FoundationEssentials
import Identity
import XDSTransport

/// The control plane's own certificate, for its TCP door: signed by the mesh's authority, named by its SPIFFE id and by
/// what clients call it, renewed at half of its life and whenever the authority changes.
struct DoorCertificate: Sendable {
    /// What bootstraps tell clients to expect, whatever address they connect to.
    static let name = "control-plane.martlet.internal"

    let trustDomain: String
    let namespace: String
    /// Further DNS names and addresses.
    let names: [String]
    /// Seconds.
    let lifetime: TimeInterval

    struct Made: Sendable {
        var door: SecureDoor.Certificate
        var issued: CertificateAuthority.Issued
        var identity: SPIFFEID
        var renewal: Date
    }

    func make(_ authority: CertificateAuthority, now: Date) throws -> Made {
        let identity = try SPIFFEID(
            trustDomain: trustDomain, namespace: namespace, serviceAccount: "martlet-control-plane")
        let request = try SigningRequest(identity: identity)
        let issued = try authority.signServer(
            requestPEM: request.requestPEM, identity: identity, names: [Self.name] + names, lifetime: lifetime, now: now
        )
        let door = SecureDoor.Certificate(
            chain: Array(issued.chain.dropLast()), privateKey: request.privateKeyPEM,
            trustAnchors: authority.trustAnchors + [authority.revocationLists])
        return Made(
            door: door, issued: issued, identity: identity,
            renewal: now.addingTimeInterval(issued.notAfter.timeIntervalSince(now) / 2))
    }
}

/// Keeps the door's certificate fresh.
actor DoorKeeper {
    private let certificate: DoorCertificate
    private let anchorsPath: String
    private let log: @Sendable (String) -> Void
    private var authority: CertificateAuthority
    private var renewal: Date
    nonisolated let door: SecureDoor

    /// - Parameter anchorsPath: gets what clients must trust, PEM; bootstraps are written from it.
    /// - Throws: when the authority does not sign.
    init(
        _ certificate: DoorCertificate, authority: CertificateAuthority, anchorsPath: String,
        log: @escaping @Sendable (String) -> Void
    ) throws {
        self.certificate = certificate
        self.anchorsPath = anchorsPath
        self.log = log
        self.authority = authority
        let made = try certificate.make(authority, now: Date())
        door = try SecureDoor(made.door, log: log)
        renewal = made.renewal
        try PrivateFile.write(authority.trustAnchors.joined(separator: "\n") + "\n", to: anchorsPath)
        log(Self.audit(made))
    }

    private static func audit(_ made: DoorCertificate.Made) -> String {
        "issued certificate serial=\(made.issued.serialNumber) identity=\(made.identity) for=TCP door"
            + " notAfter=\(made.issued.notAfter.formatted(.iso8601))"
    }

    /// Signs with another authority from now on.
    func use(_ authority: CertificateAuthority) {
        self.authority = authority
        renew()
    }

    private func renew() {
        do {
            let made = try certificate.make(authority, now: Date())
            try door.use(made.door)
            renewal = made.renewal
            try PrivateFile.write(authority.trustAnchors.joined(separator: "\n") + "\n", to: anchorsPath)
            log(Self.audit(made))
        } catch {
            renewal = Date().addingTimeInterval(10)
            log("TCP door: no new certificate: \(error); the one in force stays")
        }
    }

    /// Renews until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(max(0.5, min(60, renewal.timeIntervalSinceNow))))
            if !Task.isCancelled, renewal <= Date() { renew() }
        }
    }
}
