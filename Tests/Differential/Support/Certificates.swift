import Foundation
import TLS

/// The certificates of the scenarios, made anew for each run: `ca` signs `server` and `client`, `foreign-ca` signs `foreign`.
final class Certificates: Sendable {
    let folder: URL

    static let shared: Result<Certificates, any Error> = Result { try Certificates() }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "differential-certificates-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        _ = try Program.output(["sh", Scenario.folder.appending(path: "certificates.sh").path, folder.path])
    }

    private func material(_ name: String) throws -> TLSMaterial {
        .pem(Array(try Data(contentsOf: folder.appending(path: name))))
    }

    func server(mutual: Bool = false, protocols: [String] = []) throws -> TLSContext {
        var configuration = TLSConfiguration(role: .server)
        configuration.certificateChain = try material("server.pem")
        configuration.applicationProtocols = protocols
        configuration.privateKey = try material("server.key")
        if mutual {
            configuration.trustAnchors = [try material("ca.pem")]
            configuration.verification = .required
        }
        return try TLSContext(configuration)
    }

    func client(_ tls: ClientTLS) throws -> TLSContext {
        var configuration = TLSConfiguration(role: .client)
        configuration.verification = .none
        configuration.applicationProtocols = tls.protocols
        if let name = tls.certificate {
            configuration.certificateChain = try material("\(name).pem")
            configuration.privateKey = try material("\(name).key")
        }
        return try TLSContext(configuration)
    }
}
