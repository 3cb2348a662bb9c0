import FoundationEssentials
import MeshAPI
import TestSupport
import Testing

/// Istio's own validator as the yardstick: every document that it takes is taken, every one that it refuses is refused.
@Suite(
    .enabled(
        if: ConformanceData.has("valid"), "no conformance data (MARTLET_CONFORMANCE, or ../shared/conformance)"))
struct ConformanceTests {
    private static func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test(arguments: ConformanceData.files(in: "valid", suffix: ".yaml")) func validDocumentsAreTaken(_ path: String)
        throws
    {
        let documents = ManifestDecoder().decode(try Self.text(path), file: path)
        #expect(!documents.isEmpty)
        #expect(documents.flatMap(\.diagnostics).filter { $0.severity == .error } == [])
    }

    @Test(arguments: ConformanceData.files(in: "invalid", suffix: ".yaml")) func invalidDocumentsAreRefused(
        _ path: String
    ) throws {
        let documents = ManifestDecoder().decode(try Self.text(path), file: path)
        let errors = documents.flatMap(\.diagnostics).filter { $0.severity == .error }
        #expect(!errors.isEmpty)
        for error in errors {
            #expect(!error.path.isEmpty || error.message.contains("required"), "\(error) names no field")
        }
    }

    /// A text beside a valid document says that it is taken with a warning.
    @Test(arguments: ConformanceData.files(in: "valid", suffix: ".yaml")) func doubtfulDocumentsAreWarnedAbout(
        _ path: String
    ) throws {
        guard (try? Self.text(String(path.dropLast("yaml".count)) + "txt")) != nil else { return }
        let documents = ManifestDecoder().decode(try Self.text(path), file: path)
        #expect(documents.flatMap(\.diagnostics).contains { !$0.message.contains("not supported yet, ignored") })
    }

    /// Those whose documents are Kubernetes or Istio resources; templates and settings of other tools are not.
    @Test(arguments: ConformanceData.files(in: "samples", suffix: ".yaml")) func samplesAreTaken(_ path: String) throws
    {
        let documents = ManifestDecoder().decode(try Self.text(path), file: path)
        #expect(documents.flatMap(\.diagnostics).filter { $0.severity == .error } == [])
    }
}
