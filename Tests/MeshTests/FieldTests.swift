import Foundation
import Testing

/// Where the cases are.
enum FieldFiles {
    static let folder = ProcessInfo.processInfo.environment["MARTLET_FIELDS"] ?? "Tests/MeshTests/Fields"

    /// Files of cases, in order.
    static let topics: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".yaml") && !["base.yaml", "checklist.yaml"].contains($0) }
            .map { String($0.dropLast(".yaml".count)) }.sorted()
    }()
}

extension WholeMesh {
    /// Every field of the traffic resources at work: the cases of `Fields`, one topic after the other in one running mesh.
    ///
    /// A topic's manifests are applied together; when all proxies have them, its requests are made.
    @Suite(
        .serialized,
        .mesh {
            let certificates = try FieldCertificates()
            return try Mesh(
                copying: ["base.yaml": "\(FieldFiles.folder)/base.yaml"],
                texts: ["secrets.yaml": try certificates.manifests()], certificates: certificates.folder
            )
        }
    )
    struct FieldTests {
        @Test(arguments: FieldFiles.topics)
        func topic(_ name: String) async throws {
            let mesh = try currentMesh()
            let only = ProcessInfo.processInfo.environment["MARTLET_FIELD_CASE"]
            let cases = try FieldCase.read("\(FieldFiles.folder)/\(name).yaml", topic: name)
                .filter { only.map($0.name.contains) ?? true }
            let player = try FieldPlayer(mesh: mesh)
            let before = try mesh.controlPlaneStatus().generation
            let text = cases.map(\.manifests).filter { !$0.isEmpty }.joined(separator: "\n---\n")
            try mesh.write(try player.filledIn(text), to: "cases.yaml")
            try await eventually("\(name) in force", within: .seconds(20)) {
                let status = try mesh.controlPlaneStatus()
                let proxies = status.proxies ?? []
                return status.generation > before && !proxies.isEmpty
                    && proxies.allSatisfy { $0.ackedGeneration == status.generation } ? true : nil
            }
            let status = try mesh.controlPlaneStatus()
            for proxy in status.proxies ?? [] {
                #expect(proxy.nacks ?? [] == [], "\(proxy.id) refuses its configuration")
            }
            for problem in try player.play(cases) { Issue.record("\(problem)") }
            for test in cases {
                for part in test.warnings {
                    #expect(status.errors.contains { $0.message.contains(part) && $0.line != nil }, "\(test): \(part)")
                }
            }
            let expected = cases.flatMap(\.warnings)
            for problem in status.errors where !expected.contains(where: problem.message.contains) {
                Issue.record(
                    "\(name): \(problem.file ?? ""):\(problem.line ?? 0):\(problem.column ?? 0): \(problem.message)")
            }
        }

        /// A VirtualService may come before the DestinationRule whose subset it names, and go after it.
        @Test func aSubsetIsNamedBeforeItExistsAndAfterItHasGone() async throws {
            let mesh = try currentMesh()
            func answers() throws -> Set<String> {
                let result = try mesh.exec(
                    "client",
                    ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %header{x-service-version}\\n"]
                        + ["http://window/?[1-20]"]
                )
                return Set(result.output.split(separator: "\n").map { String($0) })
            }
            func problems() throws -> [String] { try mesh.controlPlaneStatus().errors.map(\.message) }
            let service = """
                apiVersion: v1
                kind: Service
                metadata: {name: window}
                spec: {selector: {app: echo}, ports: [{name: http, port: 80, targetPort: 8080}]}

                """
            let rule = """
                apiVersion: networking.istio.io/v1
                kind: DestinationRule
                metadata: {name: window}
                spec: {host: window, subsets: [{name: late, labels: {version: v2}}]}

                """
            func routes(_ destination: String) -> String {
                """
                apiVersion: networking.istio.io/v1
                kind: VirtualService
                metadata: {name: window}
                spec: {hosts: [window], http: [{route: [{destination: \(destination)}]}]}

                """
            }
            try mesh.write(service, to: "window-service.yaml")
            try mesh.write(routes("{host: window}"), to: "window-routes.yaml")
            try await eventually("both versions answer") { try answers() == ["200 v1", "200 v2"] ? true : nil }

            // First half of a change: not one request may fail, and the user is told.
            try mesh.write(routes("{host: window, subset: late}"), to: "window-routes.yaml")
            try await eventually("the waiting route is reported") { () -> Bool? in
                let found = try problems()
                #expect(try answers() == ["200 v1", "200 v2"])
                return found.contains { $0.contains("the last working version stays in force until this exists") }
                    ? true : nil
            }
            try mesh.write(rule, to: "window-rule.yaml")
            try await eventually("the subset answers") { () -> Bool? in
                let seen = try answers()
                #expect(seen.isSubset(of: ["200 v1", "200 v2"]))
                return seen == ["200 v2"] ? true : nil
            }
            #expect(!(try problems()).contains { $0.contains("stays in force") })

            // The other way round.
            try FileManager.default.removeItem(at: mesh.manifests.appending(path: "window-rule.yaml"))
            try await eventually("the rule that is still needed is reported") { () -> Bool? in
                #expect(try answers() == ["200 v2"])
                return try problems().contains { $0.contains("its last version stays in force") } ? true : nil
            }
            for name in ["window-routes.yaml", "window-service.yaml"] {
                try FileManager.default.removeItem(at: mesh.manifests.appending(path: name))
            }
        }

        /// DestinationRule `warmup`: an endpoint that comes later gets a small share first, and its whole one in the end.
        @Test func aNewEndpointWarmsUp() async throws {
            let mesh = try currentMesh()
            let player = try FieldPlayer(mesh: mesh)
            func put(_ endpoints: String) async throws {
                let before = try mesh.controlPlaneStatus().generation
                let text = """
                    apiVersion: networking.istio.io/v1
                    kind: ServiceEntry
                    metadata: {name: warm}
                    spec:
                      hosts: [warm.test]
                      resolution: STATIC
                      location: MESH_INTERNAL
                      ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
                      endpoints: [\(endpoints)]
                    ---
                    apiVersion: networking.istio.io/v1
                    kind: DestinationRule
                    metadata: {name: warm}
                    spec: {host: warm.test, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 4s}}}}

                    """
                try mesh.write(try player.filledIn(text), to: "warm.yaml")
                try await eventually("the endpoints are in force") {
                    let status = try mesh.controlPlaneStatus()
                    let proxies = status.proxies ?? []
                    return status.generation > before
                        && proxies.allSatisfy { $0.ackedGeneration == status.generation } ? true : nil
                }
            }
            /// How many of 60 requests the new endpoint answers.
            func share() throws -> Int {
                let words = ["curl", "-s", "-o", "/dev/null", "-w", "%header{x-service-version}\\n"]
                let result = try mesh.exec("client", words + ["http://warm.test/?[1-60]"])
                #expect(result.output.split(separator: "\n").count == 60)
                return result.output.split(separator: "\n").count { $0 == "v2" }
            }
            let clock = ContinuousClock()
            try await put("{address: POD-echo-v1-0}")
            let warm = clock.now + .milliseconds(4200)
            try await eventually("the first endpoint is warm") {
                let hits = try share()
                #expect(hits == 0)
                return clock.now > warm ? true : nil
            }
            try await put("{address: POD-echo-v1-0}, {address: POD-echo-v2-0}")
            let first = try share()
            #expect((1...18).contains(first), "\(first) of 60 at first")
            try await eventually("half of the requests") { try share() >= 24 ? true : nil }
            try FileManager.default.removeItem(at: mesh.manifests.appending(path: "warm.yaml"))
        }

        /// ProxyConfig: of the mesh, the namespace and the workload, the narrower one wins; a change replaces the pod.
        @Test func proxyConfigsSetThreadsAndEnvironment() async throws {
            let mesh = try currentMesh()
            func configuration(_ name: String, _ namespace: String, _ spec: String) -> String {
                """
                apiVersion: networking.istio.io/v1beta1
                kind: ProxyConfig
                metadata: {name: \(name), namespace: \(namespace)}
                spec: {\(spec)}
                ---

                """
            }
            try mesh.write(
                configuration(
                    "other", "other", "concurrency: 3, environmentVariables: {A_NAMESPACE: namespace, B: namespace}")
                    + configuration(
                        "visitor", "other",
                        "selector: {matchLabels: {app: visitor}}, concurrency: 2, environmentVariables: {B: workload}"),
                to: "proxy-config.yaml"
            )
            try await eventually("the visitor's proxy has two workers", within: .seconds(40)) { () -> Bool? in
                // The pod that takes the first one's place has a number.
                let proxy = try mesh.process("sidecar of the visitor", ["martlet proxy", "/other/visitor"])
                let path = "/proc/\(proxy.id)/environ"
                guard proxy.line.contains("--concurrency 2") else { return nil }
                let variables = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\0")
                #expect(variables.contains("A_NAMESPACE=namespace"))
                #expect(variables.contains("B=workload"))
                return true
            }
            #expect(try mesh.sidecar(of: "client").line.contains("--concurrency 1"))
            try await eventually("the visitor asks again") { () -> Bool? in
                let result = try mesh.exec("other/visitor", ["curl", "-s", "http://echo.default/"])
                return result.output.contains("\"service\":\"echo\"") ? true : nil
            }
            try FileManager.default.removeItem(at: mesh.manifests.appending(path: "proxy-config.yaml"))
        }

        /// WorkloadGroup: a process that joins has the group's labels, identity, ports, place and health check.
        @Test func aProcessJoinsAWorkloadGroup() async throws {
            let mesh = try currentMesh()
            let before = try mesh.controlPlaneStatus().generation
            try mesh.write(
                """
                apiVersion: networking.istio.io/v1
                kind: WorkloadGroup
                metadata: {name: machines}
                spec:
                  metadata: {labels: {app: machine}}
                  template:
                    serviceAccount: machine
                    ports: {http: 9090}
                    labels: {version: m1}
                    locality: us/east/rack-1
                    weight: 7
                  probe: {periodSeconds: 1, httpGet: {path: /health, port: 9090}}
                ---
                apiVersion: networking.istio.io/v1
                kind: ServiceEntry
                metadata: {name: machines}
                spec:
                  hosts: [machines.test]
                  location: MESH_INTERNAL
                  resolution: STATIC
                  ports: [{number: 80, name: http, protocol: HTTP}]
                  workloadSelector: {labels: {app: machine}}
                """, to: "machines.yaml")
            let guest = Process()
            guest.executableURL = URL(fileURLWithPath: Mesh.program)
            guest.arguments =
                ["run", "--state-dir", mesh.stateFolder.path, "--group", "machines", "--"]
                + [Mesh.program, "example-service", "--name=machine", "--port=9090"]
            guest.standardInput = FileHandle.nullDevice
            try await eventually("the group is known") {
                try mesh.controlPlaneStatus().generation > before ? true : nil
            }
            try guest.run()
            defer { if guest.isRunning { guest.terminate() } }
            let answer = try await eventually("an answer of the member") { () -> String? in
                let text = try mesh.exec("client", ["curl", "-s", "--max-time", "5", "http://machines.test/"]).output
                return text.contains("\"service\":\"machine\"") ? text : nil
            }
            #expect(answer.contains("By=spiffe://cluster.local/ns/default/sa/machine"), "its identity: \(answer)")
            let list = mesh.log("workloads.json").filter { !" \n".contains($0) }
            #expect(list.contains("\"region\":\"us\"") && list.contains("\"weight\":7"), "\(list)")
            guest.terminate()
            guest.waitUntilExit()
            try await eventually("the member's leaving") { () -> Bool? in
                let result = try mesh.exec("client", ["curl", "-s", "--max-time", "5", "http://machines.test/"])
                return result.output.contains("\"service\":\"machine\"") ? nil : true
            }
            try FileManager.default.removeItem(at: mesh.manifests.appending(path: "machines.yaml"))
        }
    }
}
