import Foundation
import Testing

/// Real Envoy and Martlet, started from the very same file: what clients, backends and operators see must be the same, but
/// for the differences that `differences.yaml` lists with their reasons.
@Suite struct DifferentialTests {
    @Test(arguments: Scenario.all)
    func `Martlet does what Envoy does`(scenario: Scenario) async throws {
        await Gate.scenarios.enter()
        let found: [Difference]
        do {
            async let envoy = SideRun.run(.envoy, scenario)
            async let martlet = SideRun.run(.martlet, scenario)
            found = try differences(await envoy, await martlet, in: scenario)
        } catch {
            await Gate.scenarios.leave()
            throw error
        }
        await Gate.scenarios.leave()
        let meant = try Differences.shared.get()
        for difference in found where !meant.permits(difference) { Issue.record("\(difference)") }
        for entry in meant.stale(in: scenario.name) {
            Issue.record("differences.yaml: \(entry.exchange), \(entry.place) no longer differs: remove the entry")
        }
    }

    @Test func `there are enough of them`() throws {
        #expect(Scenario.all.count >= 30)
        #expect(try Scenario.all.reduce(0) { $0 + (try $1.exchanges().count) } >= 150)
    }
}
