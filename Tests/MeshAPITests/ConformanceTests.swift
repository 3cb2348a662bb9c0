import MeshAPI
import Testing

/// Istio's own validator as the yardstick: every document that it takes is taken, every one that it refuses is refused.
@Suite(.enabled(if: Conformance.isPresent, .noConformance)) struct ConformanceTests {
    @Test(arguments: Conformance.files("valid")) func validDocumentsAreTaken(_ path: String) throws {
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        #expect(!documents.isEmpty)
        #expect(documents.flatMap(\.diagnostics).filter { $0.severity == .error } == [])
    }

    @Test(arguments: Conformance.files("invalid")) func invalidDocumentsAreRefused(_ path: String) throws {
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        let errors = documents.flatMap(\.diagnostics).filter { $0.severity == .error }
        #expect(!errors.isEmpty)
        for error in errors {
            #expect(!error.path.isEmpty || error.message.contains("required"), "\(error) names no field")
        }
    }

    /// A text beside a valid document says that it is taken with a warning.
    @Test(arguments: Conformance.files("valid")) func doubtfulDocumentsAreWarnedAbout(_ path: String) throws {
        guard (try? Conformance.text(String(path.dropLast("yaml".count)) + "txt")) != nil else { return }
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        #expect(documents.flatMap(\.diagnostics).contains { !$0.message.contains("not supported yet, ignored") })
    }

    /// Those whose documents are Kubernetes or Istio resources; templates and settings of other tools are not.
    @Test(arguments: Conformance.files("samples")) func samplesAreTaken(_ path: String) throws {
        let documents = ManifestDecoder().decode(try Conformance.text(path), file: path)
        #expect(documents.flatMap(\.diagnostics).filter { $0.severity == .error } == [])
    }
}
