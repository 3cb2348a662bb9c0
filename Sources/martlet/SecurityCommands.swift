import ArgumentParser
import Foundation
import Identity
import LocalMesh
import MeshState

/// `martlet mtls`: the way to mutual TLS everywhere.
struct MutualTLSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mtls", abstract: "See who uses mutual TLS.", subcommands: [MutualTLSReportCommand.self])
}

/// `martlet mtls report`: callers by name, and what STRICT would break.
struct MutualTLSReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show who calls whom over mutual TLS and in plaintext, and what mode STRICT would break.",
        discussion: "Reads the access logs of the pods that run: what was never called is not in it.")

    @OptionGroup var selection: MeshSelection

    func run() async throws {
        let state = try selection.state
        let data = try Data(contentsOf: URL(filePath: state.path + "/workloads.json"))
        let pods = try JSONDecoder().decode(WorkloadList.self, from: data).workloads
        var report = MutualTLSReport(pods: pods)
        for pod in pods where pod.sidecar {
            do {
                for file in try LogFiles(state).find("\(pod.namespace)/\(pod.name)", part: .access) {
                    report.read(file: file.path, destination: "\(pod.namespace)/\(pod.workload)")
                }
            } catch {
                report.miss("\(pod.namespace)/\(pod.name)", "\(error)")
            }
        }
        print(report.lines().joined(separator: "\n"))
    }
}

/// `martlet identity`: the certificates of the pods.
struct IdentityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "identity", abstract: "Show each pod's identity, certificate and chain.")

    @OptionGroup var selection: MeshSelection

    @Argument(help: "Only this pod, NAME or NAMESPACE/NAME.")
    var pod: String?

    private struct Status: Decodable {
        struct Identity: Decodable {
            var pod: String
            var identity: String
            var serial: String
            var notAfter: Double
            var chain: [String]
        }

        struct Authority: Decodable {
            var name: String
            var notAfter: Double
        }

        var identities: [Identity]
        var authorities: [Authority]
    }

    func run() async throws {
        let data = try Data(contentsOf: URL(filePath: try selection.state.path + "/status.json"))
        let status = try JSONDecoder().decode(Status.self, from: data)
        let now = Date()
        for identity in status.identities {
            if let pod, identity.pod != pod, !identity.pod.hasSuffix("/\(pod)") { continue }
            print(identity.pod)
            print("  identity  \(identity.identity)")
            print("  serial    \(identity.serial)")
            print("  expires   \(Self.expiry(identity.notAfter, now))")
            for (number, name) in identity.chain.enumerated() {
                print("  \(number == 0 ? "chain   " : "        ")  \(name)")
            }
        }
        for authority in status.authorities {
            print("\(authority.name): expires \(Self.expiry(authority.notAfter, now))")
        }
    }

    private static func expiry(_ time: Double, _ now: Date) -> String {
        let date = Date(timeIntervalSince1970: time)
        let left = Int(date.timeIntervalSince(now))
        let text =
            left < 0
            ? "ended"
            : left < 7200 ? "in \(left) s" : left < 172_800 ? "in \(left / 3600) h" : "in \(left / 86400) days"
        return "\(date.formatted(.iso8601)) (\(text))"
    }
}

/// `martlet ca`: the mesh's authority.
struct AuthorityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "Look after the mesh's certificate authority.",
        subcommands: [RotateRootCommand.self])
}

/// `martlet ca rotate`: a new root without a refused connection.
struct RotateRootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Replace the mesh's root certificate in steps, so that nobody stops believing anybody.",
        discussion: """
            The new root is first trusted by all beside the old one, then signs, then the old one is forgotten. Each step lasts \
            as long as certificates live, so that every workload has renewed in it.
            """)

    @OptionGroup var selection: MeshSelection

    @Option(help: "Seconds that each step lasts; by default a little longer than the mesh's certificates live.")
    var step: Double?

    func run() async throws {
        let folder = try selection.state.path + "/ca"
        let step = try RootRotation(folder: folder).begin(step: step, now: Date())
        print("a new root is announced; it signs in \(Int(step)) s, and the old one is forgotten \(Int(step)) s later")
    }
}
