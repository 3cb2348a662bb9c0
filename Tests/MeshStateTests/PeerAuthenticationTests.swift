import MeshAPI
import MeshState
import Testing

@Suite struct PeerAuthenticationTests {
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var policies: String
        var port = 8080
        var expected: PeerAuthentication.Mode
        var origin: String?
    }

    private static let selector = "selector: {matchLabels: {app: a}}"

    static let cases = [
        Case(testDescription: "nothing is permissive", policies: "", expected: .permissive),
        Case(
            testDescription: "mesh",
            policies: peerAuthentication("m", in: "istio-system", "mtls: {mode: STRICT}"),
            expected: .strict,
            origin: "istio-system/m"
        ),
        Case(
            testDescription: "namespace over mesh",
            policies: peerAuthentication("m", in: "istio-system", "mtls: {mode: STRICT}")
                + peerAuthentication("n", in: "default", "mtls: {mode: DISABLE}"),
            expected: .disable,
            origin: "default/n"
        ),
        Case(
            testDescription: "workload over namespace",
            policies: peerAuthentication("n", in: "default", "mtls: {mode: DISABLE}")
                + peerAuthentication("w", in: "default", "\(selector), mtls: {mode: STRICT}"),
            expected: .strict,
            origin: "default/w"
        ),
        Case(
            testDescription: "unset inherits",
            policies: peerAuthentication("m", in: "istio-system", "mtls: {mode: STRICT}")
                + peerAuthentication("n", in: "default", "mtls: {mode: UNSET}")
                + peerAuthentication("w", in: "default", "\(selector)"),
            expected: .strict,
            origin: "istio-system/m"
        ),
        Case(
            testDescription: "a port of the workload",
            policies: peerAuthentication(
                "w",
                in: "default",
                "\(selector), mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}"
            ),
            expected: .disable,
            origin: "default/w"
        ),
        Case(
            testDescription: "another port keeps the workload's mode",
            policies: peerAuthentication(
                "w",
                in: "default",
                "\(selector), mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}"
            ),
            port: 8081,
            expected: .strict,
            origin: "default/w"
        ),
        Case(
            testDescription: "an unset port inherits the workload's mode",
            policies: peerAuthentication(
                "w",
                in: "default",
                "\(selector), mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: UNSET}}"
            ),
            expected: .strict,
            origin: "default/w"
        ),
        Case(
            testDescription: "a selector in the root namespace is not mesh-wide",
            policies: peerAuthentication("m", in: "istio-system", "\(selector), mtls: {mode: STRICT}"),
            expected: .permissive
        ),
        Case(
            testDescription: "the oldest of a level",
            policies: peerAuthentication("one", in: "default", "mtls: {mode: STRICT}")
                + peerAuthentication("two", in: "default", "mtls: {mode: DISABLE}"),
            expected: .strict,
            origin: "default/one"
        ),
        Case(
            testDescription: "other workloads are not concerned",
            policies: peerAuthentication("w", in: "default", "selector: {matchLabels: {app: b}}, mtls: {mode: STRICT}"),
            expected: .permissive
        ),
    ]

    @Test(arguments: cases) func mode(_ test: Case) {
        let workload = pod("a-1", labels: ["app": "a"])
        let effective = mesh(test.policies, pods: [workload]).snapshot.mutualTLS(of: workload, port: test.port)
        #expect(effective.mode == test.expected)
        #expect(effective.origin.map { "\($0.resource.namespace)/\($0.resource.name)" } == test.origin)
    }

    @Test func clientsUseMutualTLSWhereASidecarTakesIt() throws {
        let snapshot = mesh(
            service("a")
                + peerAuthentication("w", in: "default", "selector: {matchLabels: {v: x}}, mtls: {mode: DISABLE}"),
            pods: [
                pod("a-1", labels: ["app": "a"]),
                pod("a-2", labels: ["app": "a"], sidecar: false),
                pod("a-3", labels: ["app": "a", "v": "x"]),
            ]
        ).snapshot
        let service = try #require(snapshot.service(host: "a.default.svc.cluster.local"))
        #expect(snapshot.endpoints(of: service, port: 80).map(\.takesMutualTLS) == [true, false, false])
    }
}
