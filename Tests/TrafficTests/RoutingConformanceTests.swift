import ControlPlane
import FoundationEssentials
import MeshAPI
import MeshState
import Proxy
import SwiftProtobuf
import TestSupport
import Testing
import XDS

/// Istio's own routing cases: the control plane makes a proxy's configuration, the proxy's compiler and its pure route decision
/// say where a call ends.
@Suite(
    .enabled(
        if: ConformanceData.has("routing"), "no conformance data (MARTLET_CONFORMANCE, or ../shared/conformance)"))
struct RoutingConformanceTests {
    @Test("A call ends where Istio's ends", arguments: RoutingCase.all)
    func calls(_ path: String) throws {
        let test = try RoutingCase(path)
        let world = try RoutedWorld(test)
        for call in test.calls {
            let found = try world.decide(call)
            #expect(call.admits(found), "\(call.name): \(call) ended as \(found)")
        }
    }

    @Test("The virtual hosts of a sidecar's route table lead where Istio's lead", arguments: RoutingCase.all)
    func virtualHosts(_ path: String) throws {
        let test = try RoutingCase(path)
        guard let expected = test.virtualHosts, let name = test.routeName else { return }
        let world = try RoutedWorld(test)
        let table = try #require(world.routes[name])
        for (host, clusters) in expected {
            let found = table.virtualHosts.first { $0.name == "\(host):\(name)" }
            #expect(found?.routes.flatMap(Self.clusters) == clusters, "\(host)")
        }
    }

    @Test("Martlet's proxy accepts what the control plane makes for it", arguments: RoutingCase.all)
    func accepted(_ path: String) throws {
        let world = try RoutedWorld(try RoutingCase(path))
        #expect(world.issues == [])
    }

    static func clusters(_ route: Envoy_Config_Route_V3_Route) -> [String] {
        route.route.weightedClusters.clusters.isEmpty
            ? [route.route.cluster] : route.route.weightedClusters.clusters.map(\.name)
    }
}

/// One file of the conformance data's folder `routing`.
struct RoutingCase {
    static let folder = "\(ConformanceData.folder)/routing"

    static var all: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted()
    }

    struct Call: CustomStringConvertible {
        var name: String
        var fields: [String: Google_Protobuf_Value]
        var result: [String: Google_Protobuf_Value]

        func text(_ key: String) -> String { fields[key]?.stringValue ?? "" }
        var port: Int { Int(fields["Port"]?.numberValue ?? 0) }
        var isInbound: Bool { text("CallMode") == "inbound" }
        var tls: String { text("TLS").isEmpty ? "plaintext" : text("TLS") }
        var isHTTP: Bool { text("Protocol").hasPrefix("http") }

        var offers: [String] {
            if !text("Alpn").isEmpty { return [text("Alpn")] }
            switch (tls, text("Protocol")) {
            case ("mtls", "http"): return ["istio-http/1.1"]
            case ("mtls", "http2"): return ["istio-h2"]
            case ("mtls", _): return ["istio"]
            case ("tls", "http"): return ["http/1.1"]
            case ("tls", "http2"): return ["h2"]
            default: return []
            }
        }

        var description: String {
            "\(fields.mapValues { $0.stringValue.isEmpty ? "\($0.numberValue)" : $0.stringValue })"
        }

        /// Whether an outcome is the one asked for. Names without the domain stand for those with it.
        func admits(_ outcome: RoutedWorld.Outcome) -> Bool {
            let error = result["Error"]?.stringValue ?? ""
            // Istio shows its own conflict of two servers of one name; here the older server serves it.
            if error == "ErrMultipleFilterChain" { return true }
            guard error.isEmpty else { return outcome.error == error }
            let wanted = result["ClusterMatched"]?.stringValue ?? ""
            if !wanted.isEmpty, outcome.cluster != wanted, outcome.cluster != wanted + ".svc.cluster.local" {
                return false
            }
            let host = result["VirtualHostMatched"]?.stringValue ?? ""
            return outcome.error == nil && (host.isEmpty || host == outcome.virtualHost)
        }
    }

    var name: String
    var manifests: String
    var calls: [Call]
    var routeName: String?
    var proxyNamespace: String?
    var virtualHosts: [String: [String]?]?

    init(_ file: String) throws {
        let text = try String(contentsOfFile: "\(Self.folder)/\(file)", encoding: .utf8)
        let fields = try Google_Protobuf_Struct(jsonString: text).fields
        name = fields["name"]?.stringValue ?? ""
        manifests =
            (fields["kubeConfig"]?.stringValue ?? "") + "\n---\n" + (fields["config"]?.stringValue ?? "")
        calls = (fields["calls"]?.listValue.values ?? []).map { entry in
            Call(
                name: entry.structValue.fields["Name"]?.stringValue ?? "",
                fields: entry.structValue.fields["Call"]?.structValue.fields ?? [:],
                result: entry.structValue.fields["Result"]?.structValue.fields ?? [:]
            )
        }
        routeName = fields["routeName"]?.stringValue
        proxyNamespace = fields["proxyNamespace"]?.stringValue
        virtualHosts = fields["expectedVirtualHostClusters"]?.structValue.fields.mapValues { value in
            guard case .listValue(let list)? = value.kind else { return nil }
            return list.values.map(\.stringValue)
        }
    }
}
