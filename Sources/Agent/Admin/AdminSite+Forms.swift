import CLinux
import Glibc
import Proxy
import Routing
import SwiftProtobuf
import XDS

/// The further forms of the admin pages: JSON where the page is text, and what is left out on request.
extension AdminSite {
    /// Envoy's `/stats`: lines, or JSON with `?format=json`; `?filter=` is a regular expression, `?usedonly` drops zeros.
    func stats(_ request: ServerRequest, lines: [Substring]) -> ServerResponse {
        var lines = lines
        if let filter = request.query["filter"], !filter.isEmpty {
            // RE2 matches whole texts; the filter may match anywhere.
            guard let pattern = try? RegexProgram("(?s:.*)(?:\(filter))(?s:.*)") else {
                return .text("Invalid re2 regex\n", status: 400)
            }
            lines = lines.filter { line in
                let name = Array(line.prefix { $0 != ":" }.utf8)
                return pattern.matches(name.span)
            }
        }
        if request.query["usedonly"] != nil { lines = lines.filter { !$0.hasSuffix(": 0") } }
        switch request.query["format"] ?? "text" {
        case "text", "": return .text(lines.map { $0 + "\n" }.joined())
        case "json":
            let entries = lines.compactMap { line -> String? in
                guard let colon = line.firstIndex(of: ":") else { return nil }
                let value = line[line.index(after: colon)...].drop { $0 == " " }
                let shown = UInt64(value) == nil ? JSONText.quoted(String(value)) : String(value)
                return "{\"name\":\(JSONText.quoted(String(line[..<colon]))),\"value\":\(shown)}"
            }
            return .json("{\"stats\":[\(entries.joined(separator: ","))]}\n")
        default: return .text("usage: /stats?format=json  or /stats?format=prometheus\n\n", status: 400)
        }
    }

    /// envoy.admin.v3.Memory.
    func memory() -> ServerResponse {
        let heap = martlet_heap_state()
        return .json(
            """
            {"allocated":"\(heap.used)","heap_size":"\(heap.taken)",\
            "pageheap_unmapped":"0","pageheap_free":"\(heap.free)","total_thread_cache":"0",\
            "total_physical_bytes":"\(Self.residentBytes)"}

            """)
    }

    private static var residentBytes: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// envoy.admin.v3.Clusters.
    func clustersJSON() async -> ServerResponse {
        let own = await agent.own
        let entries = await servedClusters().map { ClusterReport.json($0, isOwn: own.clusters[$0.name] != nil) }
        return .json("{\"cluster_statuses\":[\(entries.joined(separator: ","))]}\n")
    }
}
