import LocalMesh
import Testing

@Suite struct RestartTests {
    @Test func anApplicationThatKeepsEndingWaitsLongerEachTime() {
        var backoff = RestartBackoff.application
        let delays = (0..<9).map { _ in backoff.delay(afterRunOf: .seconds(1)) }
        #expect(delays == [0.01, 1, 2, 4, 8, 16, 32, 60, 60].map { Duration.seconds($0) })
        #expect(backoff.restarts == 9)
    }

    @Test func aLongRunIsForgiven() {
        var backoff = RestartBackoff.application
        for _ in 0..<5 { _ = backoff.delay(afterRunOf: .seconds(1)) }
        #expect(backoff.delay(afterRunOf: .seconds(601)) == .milliseconds(10))
        #expect(backoff.delay(afterRunOf: .seconds(1)) == .seconds(1))
    }
}

@Suite struct RolloutTests {
    private func decide(
        _ replicas: Int,
        _ present: [(String, current: Bool, ready: Bool)],
        numbered: Bool = true,
        taken: Set<String> = []
    ) -> RolloutDecision {
        RolloutDecision(
            workload: "web",
            replicas: replicas,
            numbered: numbered,
            present: present.map { .init(name: $0.0, current: $0.current, ready: $0.ready) },
            taken: taken.union(present.map(\.0))
        )
    }

    @Test func missingPodsAreStarted() {
        let decision = decide(3, [("web-0", true, true)])
        #expect(decision.start == ["web-1", "web-2"])
        #expect(decision.stop.isEmpty)
    }

    @Test func aSinglePodKeepsItsName() {
        #expect(decide(1, [], numbered: false).start == ["web"])
        #expect(decide(1, [], numbered: false, taken: ["web"]).start == ["web-0"])
    }

    @Test func surplusPodsGoTheUnreadyAndTheYoungestFirst() {
        let decision = decide(1, [("web-0", true, true), ("web-1", true, false), ("web-2", true, true)])
        #expect(decision.start.isEmpty)
        #expect(decision.stop == ["web-1", "web-2"])
    }

    @Test func aChangedTemplateStartsNewPodsAndKeepsTheOldUntilTheyAreReady() {
        let before = decide(2, [("web-0", false, true), ("web-1", false, true)])
        #expect(before.start == ["web-2", "web-3"])
        #expect(before.stop.isEmpty)
        let during = decide(
            2, [("web-0", false, true), ("web-1", false, true), ("web-2", true, true), ("web-3", true, false)])
        #expect(during.start.isEmpty && during.stop.isEmpty)
        let after = decide(
            2, [("web-0", false, true), ("web-1", false, true), ("web-2", true, true), ("web-3", true, true)])
        #expect(after.stop == ["web-0", "web-1"])
    }

    @Test func aRemovedWorkloadStopsAllItsPods() {
        #expect(decide(0, [("web-0", false, true), ("web-1", false, false)]).stop == ["web-0", "web-1"])
    }
}
