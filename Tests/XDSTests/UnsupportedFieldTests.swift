import Foundation
import Testing
import XDS

/// Every field of Envoy's that Martlet does not support, in every message that it takes (`unsupported-fields.txt`, written by
/// scripts/unsupported-fields.py from Envoy's descriptors), set in turn.
@Suite struct UnsupportedFieldTests {
    struct Case: Sendable {
        var path: String
        var bootstrap: String
        /// The listener or cluster that holds the field, as a control plane would send it.
        var message: String?
        var bytes: [UInt8] = []
    }

    static let cases: [Case] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "unsupported-fields.txt")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map { line in
            let words = line.split(separator: "\t").map(String.init)
            var result = Case(path: words[0], bootstrap: words[1])
            if words.count == 4, let data = Data(base64Encoded: words[3]) {
                result.message = words[2]
                result.bytes = Array(data)
            }
            return result
        }
    }()

    @Test func `a bootstrap with such a field is refused with the field's path`() {
        var refused = 0
        for item in Self.cases {
            do throws(BootstrapError) {
                _ = try Bootstrap.parse(item.bootstrap, file: "b")
            } catch {
                guard case .field(_, _, _, let path, _) = error else {
                    Issue.record("\(item.path): refused, but not by its path: \(error)")
                    continue
                }
                #expect(path == item.path)
                refused += 1
                continue
            }
            Issue.record("\(item.path) is accepted and then ignored, or the list is older than the selection")
        }
        #expect(refused == Self.cases.count && refused > 300)
    }

    @Test func `a resource with such a field is a NACK that names it`() {
        var (sent, named) = (0, 0)
        for item in Self.cases {
            guard let message = item.message else { continue }
            sent += 1
            var audit = WireAudit()
            let findings = audit.findings(in: item.bytes, message: message)
            let path = item.path.split(separator: ".").dropFirst(2).joined(separator: ".")
            if findings.contains(where: { $0.hasPrefix(path) }) {
                named += 1
            } else {
                Issue.record("\(item.path) over ADS: \(findings)")
            }
        }
        #expect(named == sent && sent > 250)
    }
}
