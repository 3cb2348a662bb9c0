import Glibc
import LocalMesh
import Testing

@Suite struct HostRequirementsTests {
    private func explain(_ error: Int32, _ settings: [String: String], isRoot: Bool = false) -> String {
        HostRequirements.explain(step: 1, error: error, isRoot: isRoot) { settings[$0] }.description
    }

    @Test(arguments: [
        (EPERM, ["kernel/unprivileged_userns_clone": "0\n"], "sysctl -w kernel.unprivileged_userns_clone=1"),
        (ENOSPC, ["user/max_user_namespaces": "0\n"], "sysctl -w user.max_user_namespaces=15000"),
        (ENOSPC, ["user/max_net_namespaces": "0"], "sysctl -w user.max_net_namespaces=15000"),
        (
            EACCES, ["kernel/apparmor_restrict_unprivileged_userns": "1"],
            "kernel.apparmor_restrict_unprivileged_userns=0"
        ),
        (EPERM, [:], "--security-opt seccomp=unconfined"), (EINVAL, [:], "CONFIG_USER_NS"),
    ])
    func aRefusalNamesTheSetting(error: Int32, settings: [String: String], remedy: String) {
        #expect(explain(error, settings).contains(remedy), "\(explain(error, settings))")
    }

    @Test func aMissingToolNamesItsPackage() {
        #expect(
            LocalMeshError.missingTool(name: "nft", package: "nftables").description.contains(
                "apt-get install nftables"))
    }
}

@Suite struct FaceTests {
    @Test func columnsAreAsWideAsTheirWidestEntry() {
        var table = TextTable(header: ["A", "LONG", "C"])
        table.add(["xyz", "b", ""])
        #expect(table.lines == ["A     LONG   C", "xyz   b"])
    }

    @Test func countersBecomeRates() {
        let text = """
            # TYPE istio_requests_total counter
            istio_requests_total{reporter="destination",response_code="200"} 12
            istio_requests_total{reporter="source",response_code="200"} 100
            istio_requests_total{reporter="destination",response_code="503"} 3

            """
        #expect(RequestRates.total(in: text, reporter: "destination") == 15)
        var rates = RequestRates()
        let start = ContinuousClock.now
        rates.record("a", count: 10, at: start)
        rates.record("a", count: 60, at: start.advanced(by: .seconds(2)))
        #expect(rates.perSecond["a"] == 25)
        rates.record("a", count: 5, at: start.advanced(by: .seconds(3)))
        #expect(rates.perSecond["a"] == 25, "a restarted proxy is no negative rate")
    }

    @Test func aProblemIsWrittenAsEditorsReadIt() {
        let problem = ControlPlaneStatus.Problem(
            file: "routing.yaml", line: 12, column: 5, resource: "VirtualService shop/reviews",
            message: "unknown field", severity: "error")
        #expect(problem.text == "routing.yaml:12:5: error: VirtualService shop/reviews: unknown field")
    }
}
