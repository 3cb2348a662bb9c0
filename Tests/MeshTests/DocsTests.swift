import Foundation
import Testing

extension WholeMesh {
    /// docs/traffic.md followed as a newcomer would: files are saved where their first line says, and commands print what stands
    /// below them.
    @Suite struct DocsTests {
        private static let page = ProcessInfo.processInfo.environment["MARTLET_TRAFFIC_PAGE"] ?? "docs/traffic.md"

        private struct Step {
            var file: String?
            /// Of the file, or the command.
            var text: String
            var expected = ""
        }

        private func steps(_ page: String) -> [Step] {
            var steps: [Step] = []
            var kind: Substring?
            for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
                if line.hasPrefix("```") {
                    kind = kind == nil ? line.dropFirst(3) : nil
                } else if kind == "yaml" {
                    if line.hasPrefix("# tour/") {
                        steps.append(Step(file: String(line.dropFirst(2)), text: ""))
                    } else if let last = steps.indices.last, steps[last].file != nil {
                        steps[last].text += line + "\n"
                    }
                } else if kind == "console" {
                    if line.hasPrefix("$ ") {
                        steps.append(Step(text: String(line.dropFirst(2))))
                    } else if let last = steps.indices.last {
                        steps[last].expected += line + "\n"
                    }
                }
            }
            return steps
        }

        /// Whether a text has the parts between `…`, in order.
        private func agrees(_ text: String, _ expected: String) -> Bool {
            var rest = text[...]
            let trimmed = expected.trimmingCharacters(in: .whitespacesAndNewlines)
            for part in trimmed.replacing("\n", with: "…").split(separator: "…") {
                guard let found = rest.range(of: part) else { return false }
                rest = rest[found.upperBound...]
            }
            return true
        }

        @Test func thePagesAboutTrafficDoWhatTheySay() async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "p\(UInt16.random(in: 0...UInt16.max))")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let examples = URL(filePath: Mesh.examples).standardizedFileURL.path
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending(path: "examples").path, withDestinationPath: examples)
            // The ports of the page may be taken here.
            let (port, tlsPort) = (try Mesh.freePort(), try Mesh.freePort())
            let page = try String(contentsOfFile: Self.page, encoding: .utf8)
                .replacing("127.0.0.1:8080", with: "127.0.0.1:\(port)")
                .replacing("8443", with: "\(tlsPort)")
                .replacing("--detach tour", with: "--detach tour --port 80=\(port) --port 443=\(tlsPort)")
            let environment = ["XDG_STATE_HOME": folder.path]
            func shell(_ command: String) throws -> CommandResult {
                try run(
                    ["bash", "-c", "cd '\(folder.path)' && { \(command)\n}"], environment: environment,
                    deadline: .seconds(150))
            }
            defer { _ = try? shell("martlet down") }
            let all = steps(page)
            #expect(all.count > 25)
            for step in all {
                if let file = step.file {
                    try Data(step.text.utf8).write(to: folder.appending(path: file), options: .atomic)
                    continue
                }
                try await eventually("`\(step.text)` prints \(step.expected)", within: .seconds(20)) { () -> Bool? in
                    let result = try shell(step.text)
                    if result.succeeded, agrees(result.output, step.expected) { return true }
                    throw CommandFailure(description: "\(result)")
                }
            }
        }
    }
}
