import FoundationEssentials
import MeshAPI
import Testing

/// Findings of a manifest named `f.yaml`, in the order of their places.
func findings(_ text: String, decoder: ManifestDecoder = ManifestDecoder()) -> [String] {
    decoder.decode(text, file: "f.yaml").flatMap(\.diagnostics).sorted { $0.location < $1.location }.map(\.description)
}

func resources(_ text: String) -> [Resource] {
    ManifestDecoder().decode(text, file: "f.yaml").compactMap(\.resource)
}

/// Conformance data lies beside the repository; without it the tests that need it do not run.
enum Conformance {
    static let folder: String = {
        let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        return repository.dropLast().joined(separator: "/") + "/shared/conformance"
    }()

    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder) }

    /// Paths of the YAML files under a folder of the conformance data, sorted.
    static func files(_ name: String) -> [String] {
        guard let walker = try? FileManager.default.subpathsOfDirectory(atPath: "\(folder)/\(name)") else { return [] }
        return walker.filter { $0.hasSuffix(".yaml") }.sorted().map { "\(folder)/\(name)/\($0)" }
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }
}

extension Comment {
    static let noConformance: Comment = "no conformance data beside the repository (../shared/conformance)"
}
