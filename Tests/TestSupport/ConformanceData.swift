import FoundationEssentials

/// Istio's cases and samples, which are no part of this repository. Without them the tests that need them do not run, and
/// `scripts/test.sh` says so.
package enum ConformanceData {
    /// The folder that `MARTLET_CONFORMANCE` names, or `shared/conformance` beside the clone.
    package static let folder: String = {
        if let named = ProcessInfo.processInfo.environment["MARTLET_CONFORMANCE"], !named.isEmpty { return named }
        let place = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
        return place.joined(separator: "/") + "/shared/conformance"
    }()

    /// Whether a file or folder of it is at hand.
    package static func has(_ part: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(part)") }

    /// Paths of the files below a folder of it whose names end with `suffix`, sorted.
    package static func files(in part: String, suffix: String) -> [String] {
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: "\(folder)/\(part)")) ?? []
        return names.filter { $0.hasSuffix(suffix) }.sorted().map { "\(folder)/\(part)/\($0)" }
    }
}
