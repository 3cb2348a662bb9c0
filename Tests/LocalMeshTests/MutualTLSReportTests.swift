import Foundation
import LocalMesh
import Testing

@Suite("Report of mutual TLS from access logs")
struct MutualTLSReportTests {
    private static func line(agent: String = "curl", from peer: String = "10.0.0.2", name: String = "-") -> [UInt8] {
        Array(
            #"[2026-01-01T00:00:00.000Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 2 1 0 "-" "\#(agent)" "id" "api" "#
                .utf8)
            + Array(#""10.0.0.3:8080" inbound|8080|| 127.0.0.6:1 10.0.0.3:8080 \#(peer):4000 \#(name) default"#.utf8)
            + [0x0a]
    }

    private static func report(_ bytes: [UInt8]) throws -> MutualTLSReport {
        let file = FileManager.default.temporaryDirectory.appending(path: "access-\(UUID().uuidString).log")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var report = MutualTLSReport(pods: [])
        report.read(file: file.path, destination: "shop/api")
        return report
    }

    private static let secure = line(name: "outbound_.8080_._.api.shop.svc.cluster.local")

    @Test("A client's bytes that are no UTF-8 take no line away, let alone the whole log")
    func hostileBytes() throws {
        var odd = Self.line(agent: "AGENT")
        odd.replace(Array("AGENT".utf8), with: [0xff, 0xc3, 0x28, 0x80])
        let report = try Self.report(Self.secure + odd + Self.secure)
        #expect(report.calls.map(\.value).sorted() == [1, 2])
        #expect(report.unreadable == 0)
        #expect(report.lines().contains("STRICT would break:"), "\(report.lines())")
    }

    @Test("Lines longer than any of ours, of another format, or without an end", arguments: [1, 65_536, 200_000])
    func oddLines(_ length: Int) throws {
        let long = [UInt8](repeating: 0x61, count: length)
        let end = Array(Self.line().dropLast())
        let report = try Self.report(Self.secure + long + [0x0a] + Self.secure + end)
        #expect(report.calls.map(\.value).sorted() == [1, 2])
        #expect(report.unreadable == 1)
        #expect(try Self.report(Self.secure + long).unreadable == 1)
    }

    @Test("A log that cannot be read is a doubt, never a promise")
    func missing() {
        var report = MutualTLSReport(pods: [])
        report.read(file: "/nonexistent/access.log", destination: "shop/api")
        #expect(report.unreadFiles.count == 1)
        report.read(line: String(decoding: Self.secure.dropLast(), as: UTF8.self)[...], destination: "shop/api")
        let text = report.lines().joined(separator: "\n")
        #expect(
            text.contains("/nonexistent/access.log") && !text.contains("breaks nothing of what was seen"), "\(text)")
    }

    @Test("What could be read whole is said so")
    func complete() throws {
        let text = try Self.report(Self.secure).lines().joined(separator: "\n")
        #expect(text.contains("breaks nothing of what was seen") && !text.contains("could not be read"), "\(text)")
    }
}
