import MeshAPI
import Testing

/// Istio's own validator as the yardstick: every document that it takes is taken, every one that it refuses is refused.
@Suite(.enabled(if: Conformance.isPresent, .noConformance)) struct ConformanceTests {
    /// Kinds that are recognised and warned about only, so that their faults are not found yet.
    static let notCovered: Set<String> = [
        "AuthorizationPolicy", "EnvoyFilter", "ProxyConfig", "RequestAuthentication", "ServiceEntry", "Sidecar", "Telemetry",
        "TrafficExtension", "WasmPlugin", "WorkloadEntry", "WorkloadGroup",
    ]

    @Test(arguments: Conformance.files("valid")) func validDocumentsAreTaken(_ path: String) throws {
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        #expect(!documents.isEmpty)
        #expect(documents.flatMap(\.diagnostics).filter { $0.severity == .error } == [])
    }

    @Test(arguments: Conformance.files("invalid")) func invalidDocumentsAreRefused(_ path: String) throws {
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        guard !documents.contains(where: { Self.notCovered.contains($0.key?.kind ?? "") }) else { return }
        let errors = documents.flatMap(\.diagnostics).filter { $0.severity == .error }
        #expect(!errors.isEmpty)
        for error in errors {
            #expect(!error.path.isEmpty || error.message.contains("required"), "\(error) names no field")
        }
    }

    @Test func kindsThatAreNotCoveredAreListed() throws {
        var counts: [String: Int] = [:]
        for path in Conformance.files("invalid") {
            for document in ManifestDecoder().decode(try Conformance.text(path), file: path) where !document.hasErrors {
                counts[document.key?.kind ?? "?", default: 0] += 1
            }
        }
        #expect(Set(counts.keys).isSubset(of: Self.notCovered))
        print("not refused yet:", counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    }

    /// Those whose documents are Kubernetes or Istio resources; templates and settings of other tools are not.
    @Test(arguments: Conformance.files("samples")) func samplesAreTaken(_ path: String) throws {
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        #expect(documents.flatMap(\.diagnostics).filter { $0.severity == .error } == [])
    }
}
