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
        let serving = await agent.serving
        let fixed = await agent.own
        let entries = serving.clusters.sorted { $0.key < $1.key }.map { name, cluster in
            let service = cluster.edsClusterConfig.serviceName.isEmpty ? name : cluster.edsClusterConfig.serviceName
            let assignment = cluster.type == .eds ? serving.assignments[service] : cluster.loadAssignment
            let hosts = (assignment?.endpoints ?? []).flatMap { locality in
                locality.lbEndpoints.map { Self.host($0, locality) }
            }
            let shown = cluster.altStatName.isEmpty ? name : cluster.altStatName
            return """
                {"name":\(JSONText.quoted(name)),"added_via_api":\(fixed.clusters[name] == nil),\
                "host_statuses":[\(hosts.joined(separator: ","))],"observability_name":\(JSONText.quoted(shown))}
                """
        }
        return .json("{\"cluster_statuses\":[\(entries.joined(separator: ","))]}\n")
    }

    private static func host(
        _ endpoint: Envoy_Config_Endpoint_V3_LbEndpoint, _ locality: Envoy_Config_Endpoint_V3_LocalityLbEndpoints
    ) -> String {
        let address: String =
            switch endpoint.endpoint.address.address {
            case .socketAddress(let socket)?:
                "{\"socket_address\":{\"address\":\(JSONText.quoted(socket.address)),\"port_value\":\(socket.portValue)}}"
            case .pipe(let pipe)?: "{\"pipe\":{\"path\":\(JSONText.quoted(pipe.path))}}"
            case nil: "{}"
            }
        let isHealthy = [.unknown, .healthy].contains(endpoint.healthStatus)
        let weight = endpoint.hasLoadBalancingWeight ? endpoint.loadBalancingWeight.value : 1
        return """
            {"address":\(address),"health_status":{"eds_health_status":"\(isHealthy ? "HEALTHY" : "UNHEALTHY")"},\
            "weight":\(weight),"priority":\(locality.priority),\
            "locality":{"region":\(JSONText.quoted(locality.locality.region)),"zone":\(JSONText.quoted(locality.locality.zone))}}
            """
    }
}
