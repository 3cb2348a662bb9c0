import LoadBalancing
import Testing

@Suite("Subsets of endpoints")
struct SubsetTests {
    private func table(_ fallback: SubsetTable.Fallback) -> SubsetTable {
        SubsetTable(
            spec: BalancerSpec(), hosts: [BalancerHost](repeating: BalancerHost(), count: 3),
            metadata: [["version": "v1"], ["version": "v2"], ["version": "v1", "stage": "prod"]],
            selectors: [SubsetTable.Selector(keys: ["version"])], fallback: fallback,
            defaultSubset: ["stage": "prod"])
    }

    private func hosts(_ table: SubsetTable, _ criteria: SubsetTable.Criteria) -> Set<Int>? {
        guard case .subset(let number) = table.find(criteria) else { return nil }
        var balancer = Balancer(table.tables[number], seed: 1)
        let idle: [UInt32] = []
        var chosen: Set<Int> = []
        for _ in 0..<20 { chosen.insert(balancer.pick(random: 0, active: idle.span).host) }
        return chosen
    }

    @Test("routes get the endpoints that they ask for")
    func asked() {
        #expect(hosts(table(.none), ["version": "v1"]) == [0, 2])
        #expect(hosts(table(.none), ["version": "v2"]) == [1])
    }

    @Test("without such endpoints the fallback decides")
    func fallback() {
        for criteria in [[:], ["version": "v9"], ["stage": "prod"]] as [SubsetTable.Criteria] {
            #expect(table(.none).find(criteria) == .nothing)
            #expect(table(.anyEndpoint).find(criteria) == .all)
            #expect(hosts(table(.defaultSubset), criteria) == [2])
        }
    }
}
