import ArgumentParser
import ControlPlane
import Foundation

/// `martlet control-plane`: configuration in, xDS and certificates out.
struct ControlPlaneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "control-plane",
        abstract: "Serve configuration (xDS) and certificates to the proxies of a mesh.",
        discussion: """
            Reads manifests and mesh resources from files and folders, watches them, and gives each proxy that connects to \
            STATE/xds.sock what concerns it. STATE holds token.key and workloads.json; ca/, xds.sock and status.json are \
            made there. A file that does not parse is reported in status.json and changes nothing.
            """
    )

    @Option(name: .customLong("config"), help: "A file or folder with manifests. Repeatable.")
    var configurationPaths: [String] = []

    @Option(help: "The mesh's state directory.")
    var stateDir: String

    @Option(help: "Lifetime of workload certificates, such as 24h, 30m or 90s.")
    var certLifetime: String = "24h"

    @Option(help: "An address for discovery over TCP with TLS, such as 127.0.0.1:15012 or 0.0.0.0:15012.")
    var listen: String?

    @Option(help: "A further DNS name or address by which clients of --listen call this machine. Repeatable.")
    var listenName: [String] = []

    @Option(help: "How often the key sets of token issuers (jwksUri) are looked at, such as 60s.")
    var jwksRefresh: String = "60s"

    @Option(
        name: .customLong("jwks-ca"),
        help: "PEM file with the authorities of issuers' servers, in the place of the system's (or SSL_CERT_FILE).")
    var keySetAuthorities: String?

    func run() async throws {
        var options = ControlPlaneRunner.Options(configuration: configurationPaths, stateDirectory: stateDir)
        guard let lifetime = Self.seconds(certLifetime), lifetime >= 2 else {
            throw ValidationError("--cert-lifetime: \"\(certLifetime)\" is not a time of at least 2s, such as 24h")
        }
        options.certificateLifetime = lifetime
        if let listen {
            guard let address = CommandAddress(listen) else {
                throw ValidationError("--listen: \"\(listen)\" is not ADDRESS:PORT (IPv6 as [::]:15012)")
            }
            options.listen = (address.host, address.port)
            options.listenNames = listenName
        }
        guard let refresh = Self.seconds(jwksRefresh), refresh >= 1 else {
            throw ValidationError("--jwks-refresh: \"\(jwksRefresh)\" is not a time of at least 1s, such as 60s")
        }
        options.keySets.refresh = .seconds(refresh)
        options.keySets.authorities =
            keySetAuthorities ?? ProcessInfo.processInfo.environment["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : $0 }
        try await ControlPlaneRunner(options: options).run()
    }

    /// A Go duration of one or more parts: `1h30m`.
    static func seconds(_ text: String) -> Double? {
        var total = 0.0
        var digits = ""
        for character in text {
            if character.isNumber || character == "." {
                digits.append(character)
                continue
            }
            guard let value = Double(digits), let unit = ["h": 3600.0, "m": 60, "s": 1][character] else { return nil }
            total += value * unit
            digits = ""
        }
        return digits.isEmpty && total > 0 ? total : nil
    }
}
