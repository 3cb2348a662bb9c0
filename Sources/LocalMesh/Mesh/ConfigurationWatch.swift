import FoundationEssentials
import Glibc
import MeshAPI

/// Follows the manifest files and tells of each state of them. A state with an error keeps the plan of the last good one and
/// brings the findings.
package struct ConfigurationWatch: Sendable {
    package var paths: [String]

    package init(paths: [String]) {
        self.paths = paths
    }

    package func run(_ apply: @Sendable (MeshPlan) async -> Void) async {
        var seen: [String: String]?
        var good = MeshPlan()
        while !Task.isCancelled {
            let texts = read()
            if texts != seen {
                seen = texts
                var resources: [ResourceKey: Resource] = [:]
                var order: [ResourceKey] = []
                var diagnostics: [Diagnostic] = []
                for (file, text) in texts.sorted(by: { $0.key < $1.key }) {
                    for document in ManifestDecoder().decode(text, file: file) {
                        diagnostics += document.diagnostics
                        guard let key = document.key, let resource = document.resource else { continue }
                        if resources.updateValue(resource, forKey: key) == nil { order.append(key) }
                    }
                }
                let problems = diagnostics.map(ControlPlaneStatus.Problem.init)
                if diagnostics.hasErrors {
                    good.problems = problems
                } else {
                    good = MeshPlan(order.compactMap { resources[$0] }, addresses: [:], problems: problems)
                }
                await apply(good)
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    private func read() -> [String: String] {
        var texts: [String: String] = [:]
        for path in paths {
            for file in Self.files(path) { texts[file] = Files.read(file) }
        }
        return texts
    }

    private static func files(_ path: String) -> [String] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        guard status.st_mode & S_IFMT == S_IFDIR else { return [path] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().filter { !$0.hasPrefix(".") }.flatMap { name -> [String] in
            let file = "\(path)/\(name)"
            var inner = stat()
            guard stat(file, &inner) == 0 else { return [] }
            if inner.st_mode & S_IFMT == S_IFDIR { return files(file) }
            return [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) ? [file] : []
        }
    }
}
