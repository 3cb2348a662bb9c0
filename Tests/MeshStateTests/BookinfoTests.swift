import MeshAPI
import MeshState
import TestSupport
import Testing

/// Istio's bookinfo sample as it is: what `martlet up` would make of it.
@Suite(
    .enabled(
        if: ConformanceData.has("samples/bookinfo"),
        "no conformance data (MARTLET_CONFORMANCE, or ../shared/conformance)"))
struct BookinfoTests {
    @Test func everyVersionHasItsEndpoint() throws {
        let snapshot = try Bookinfo.mesh("destination-rule-all.yaml").snapshot
        let service = try #require(snapshot.service(host: "reviews.default.svc.cluster.local"))
        #expect(service.ports.map(\.applicationProtocol) == [.http])
        let rule = try #require(snapshot.destinationRule(for: service.host, clientNamespace: "default"))
        for version in ["v1", "v2", "v3"] {
            let subset = try #require(rule.subset(version))
            let endpoints = snapshot.endpoints(of: service, port: 9080, subset: subset)
            #expect(endpoints.map(\.workload.workload) == ["reviews-\(version)"])
        }
        #expect(snapshot.identities(of: service) == ["spiffe://cluster.local/ns/default/sa/bookinfo-reviews"])
    }

    struct Split: CustomTestStringConvertible {
        var testDescription: String
        /// Subset and weight of each destination, rule by rule.
        var expected: [[String]]
    }

    @Test(arguments: [
        Split(testDescription: "virtual-service-all-v1.yaml", expected: [["v1:0"]]),
        Split(testDescription: "virtual-service-reviews-50-v3.yaml", expected: [["v1:50", "v3:50"]]),
        Split(testDescription: "virtual-service-reviews-80-20.yaml", expected: [["v1:80", "v2:20"]]),
        Split(testDescription: "virtual-service-reviews-90-10.yaml", expected: [["v1:90", "v2:10"]]),
        Split(testDescription: "virtual-service-reviews-test-v2.yaml", expected: [["v2:0"], ["v1:0"]]),
    ])
    func theDocumentedSplits(_ split: Split) throws {
        let result = try Bookinfo.mesh("destination-rule-all.yaml", split.testDescription)
        let host = "reviews.default.svc.cluster.local"
        let service = try #require(result.snapshot.sidecarRouting(in: "default").virtualService(for: host))
        let rules = service.httpRules(for: RouteClient(namespace: "default", labels: [:]), port: 9080)
        #expect(
            rules.map { rule in
                rule.route.map { "\($0.destination?.subset?.value ?? ""):\($0.weight)" }
            } == split.expected
        )
        #expect(result.diagnostics.isEmpty)
    }

    @Test func theGatewayLeadsToTheProductPage() throws {
        let snapshot = try Bookinfo.mesh("bookinfo-gateway.yaml").snapshot
        let gateway = pod("ingress", in: "istio-system", labels: ["istio": "ingressgateway"], kind: .gateway)
        let listener = try #require(snapshot.gatewayListeners(for: gateway).first)
        #expect(listener.port == 8080)
        let hosts = snapshot.gatewayVirtualHosts(of: listener.servers, workload: gateway)
        #expect(hosts.map(\.host) == ["*"])
        #expect(
            hosts.first?.rules.flatMap(\.rule.route).compactMap(\.destination?.host.value)
                == ["productpage.default.svc.cluster.local"]
        )
    }
}

private enum Bookinfo {
    static let folder = "\(ConformanceData.folder)/samples/bookinfo"

    /// The platform with one pod for each Deployment, and files of `networking`.
    static func mesh(_ networking: String...) throws -> SnapshotBuilder.Result {
        var source = FileSource(
            paths: ["\(folder)/platform/kube/bookinfo.yaml"] + networking.map { "\(folder)/networking/\($0)" }
        )
        let scan = source.scan()
        #expect(scan.diagnostics.isEmpty)
        let resources = ResourceSet(scan.resources)
        let pods = resources.workloads.enumerated().map { index, workload in
            MeshWorkload(
                name: "\(workload.metadata.name)-0",
                namespace: workload.metadata.namespace,
                ip: "10.244.0.\(index + 1)",
                workload: workload.metadata.name,
                labels: workload.template.labels,
                serviceAccount: workload.template.spec.serviceAccountName
            )
        }
        return SnapshotBuilder().build(resources, workloads: pods)
    }
}
