import ArgumentParser
import ControlPlane
import Explain
import FoundationEssentials
import MeshAPI
import MeshState

/// `martlet validate PATH…`: reads manifests as the mesh would, and says what is wrong with them.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check manifests without running them.",
        discussion: """
            Prints every finding as file:line:column. The exit code is 1 when there is an error; warnings alone leave it 0.
            """
    )

    @Argument(help: "Files and folders (*.yaml, *.yml, *.json); - is standard input.")
    var paths: [String]

    @Option(help: "Namespace of resources that name none.")
    var namespace = "default"

    @Flag(help: "Print the findings as a JSON array.")
    var json = false

    @Flag(name: .shortAndLong, help: "Print nothing but errors.")
    var quiet = false

    func run() async throws {
        let decoder = ManifestDecoder(defaultNamespace: namespace)
        var source = FileSource(paths: paths.filter { $0 != "-" }, decoder: decoder)
        let scan = source.scan()
        var findings = scan.diagnostics
        var resources = scan.resources
        if paths.contains("-") {
            let documents = decoder.decode(Self.standardInput(), file: "-")
            findings += documents.flatMap(\.diagnostics)
            resources += documents.compactMap { document in
                guard let key = document.key, let resource = document.resource else { return nil }
                return (key, resource)
            }
        }
        let mesh = SnapshotBuilder().build(ResourceSet(resources))
        // What manifests run, if they run anything, tells whether policies hold for anybody.
        let pods = try PlannedPods.list(resources)
        let running = SnapshotBuilder().build(ResourceSet(resources), workloads: pods)
        findings += mesh.diagnostics + CapabilityReport.diagnostics(running.snapshot)
        if quiet { findings.removeAll { $0.severity != .error } }
        findings.sort { $0.location < $1.location }
        print(json ? try Self.json(findings) : text(findings, count: resources.count))
        if findings.hasErrors { throw ExitCode(1) }
    }

    private func text(_ findings: [Diagnostic], count: Int) -> String {
        let errors = findings.count { $0.severity == .error }
        let warnings = findings.count - errors
        let plural = { (count: Int, word: String) in "\(count) \(word)\(count == 1 ? "" : "s")" }
        let summary =
            errors == 0
            ? "\(plural(count, "resource")) valid, \(plural(warnings, "warning"))"
            : "\(plural(errors, "error")), \(plural(warnings, "warning"))"
        return (findings.map(\.description) + [summary]).joined(separator: "\n")
    }

    private struct Finding: Encodable {
        var file: String
        var line: Int
        var column: Int
        var severity: String
        var resource: String?
        var path: String?
        var message: String
    }

    private static func json(_ findings: [Diagnostic]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = try encoder.encode(
            findings.map {
                Finding(
                    file: $0.location.file,
                    line: $0.location.line,
                    column: $0.location.column,
                    severity: $0.severity.rawValue,
                    resource: $0.resource,
                    path: $0.path.isEmpty ? nil : $0.path,
                    message: $0.message
                )
            }
        )
        return String(decoding: data, as: UTF8.self)
    }

    private static func standardInput() -> String {
        var text = ""
        while let line = readLine(strippingNewline: false) { text += line }
        return text
    }
}
