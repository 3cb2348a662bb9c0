import FoundationEssentials
package import MeshAPI
package import MeshState

/// What `status.json` says: the configuration in force, what is wrong with it, and how far the proxies are.
package struct ControlPlaneStatus: Codable, Sendable, Equatable {
    package struct Problem: Codable, Sendable, Equatable {
        package var file: String
        package var line: Int
        package var column: Int
        package var resource: String
        package var message: String
        package var severity: String
    }

    package struct Proxy: Codable, Sendable, Equatable {
        package var id: String
        package var ackedGeneration: Int
        package var nacks: [String]

        package init(id: String, ackedGeneration: Int, nacks: [String]) {
            self.id = id
            self.ackedGeneration = ackedGeneration
            self.nacks = nacks
        }
    }

    /// The last certificate that a pod was given. Times are seconds since 1970.
    package struct Identity: Codable, Sendable, Equatable {
        package var pod: String
        package var identity: String
        package var serial: String
        package var issuedAt: Double
        package var notAfter: Double
        /// Subjects and fingerprints above the leaf, the roots last.
        package var chain: [String]

        package init(
            pod: String, identity: String, serial: String, issuedAt: Double, notAfter: Double, chain: [String]
        ) {
            self.pod = pod
            self.identity = identity
            self.serial = serial
            self.issuedAt = issuedAt
            self.notAfter = notAfter
            self.chain = chain
        }
    }

    package struct Authority: Codable, Sendable, Equatable {
        package var name: String
        package var notAfter: Double

        package init(name: String, notAfter: Double) {
            self.name = name
            self.notAfter = notAfter
        }
    }

    package struct Service: Codable, Sendable, Equatable {
        package var host: String
        package var ports: [Int]
        /// `STRICT`, `PERMISSIVE`, `DISABLE`, or `MIXED` where its pods and ports differ; `-` without pods.
        package var mtls: String
        /// Values of the pods' `version` label.
        package var versions: [String]
    }

    package var generation: Int
    package var errors: [Problem]
    package var proxies: [Proxy]
    package var services: [Service]
    package var identities: [Identity]
    package var authorities: [Authority]

    package init(
        snapshot: MeshSnapshot?, diagnostics: [Diagnostic], identities: [Identity] = [], authorities: [Authority] = [],
        proxies: [Proxy]
    ) {
        self.identities = identities
        self.authorities = authorities
        generation = Int(clamping: snapshot?.generation ?? 0)
        errors = diagnostics.map { diagnostic in
            Problem(
                file: diagnostic.location.file,
                line: diagnostic.location.line,
                column: diagnostic.location.column,
                resource: diagnostic.resource ?? "",
                message: diagnostic.path.isEmpty ? diagnostic.message : "\(diagnostic.path): \(diagnostic.message)",
                severity: diagnostic.severity.rawValue
            )
        }
        self.proxies = proxies
        services = (snapshot?.services ?? []).map { Self.service($0, in: snapshot) }
    }

    private static func service(_ service: MeshService, in snapshot: MeshSnapshot?) -> Service {
        let pods = snapshot?.workloads(of: service) ?? []
        var modes: Set<String> = []
        for pod in pods {
            for port in service.ports {
                guard let number = pod.port(for: port.target), let snapshot else { continue }
                // A pod without a proxy takes no mutual TLS, whatever the policy says.
                let mode = pod.sidecar ? snapshot.mutualTLS(of: pod, port: number).mode.rawValue : "DISABLE"
                modes.insert(mode)
            }
        }
        return Service(
            host: service.host,
            ports: service.ports.map(\.number),
            mtls: modes.count > 1 ? "MIXED" : modes.first ?? "-",
            versions: Set(pods.compactMap { $0.labels["version"] }).sorted()
        )
    }

    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
}
