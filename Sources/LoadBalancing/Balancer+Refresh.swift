/// Tables follow health and age. Everything works in place.
extension Balancer {
    /// Recomputes priority loads, panic and the tables of every level.
    mutating func refresh(now: UInt64) {
        refreshWeights(now: now)
        let threshold = UInt32(table.spec.panicThresholdPercent)
        var totalHealth: UInt32 = 0
        for index in levels.indices {
            let members = table.levels[index].hosts
            levels[index].healthy = members.count { isHealthy[Int($0)] && !table.hosts[Int($0)].isDegraded }
            levels[index].degradedCount = members.count { isHealthy[Int($0)] && table.hosts[Int($0)].isDegraded }
            totalHealth += health(index) + degradedHealth(index)
        }
        let total = min(100, totalHealth)
        for index in levels.indices {
            let count = UInt32(table.levels[index].hosts.count)
            let usable = UInt32(levels[index].healthy + levels[index].degradedCount)
            let percent = count == 0 ? 0 : usable * 100 / count
            levels[index].panics = total < 100 && threshold > 0 && percent < threshold
        }
        shareAmongLevels(total, threshold)
        for index in levels.indices {
            fill(index)
            fillDegraded(index)
        }
    }

    /// Envoy's rule: healthy hosts of the priorities in order, then degraded ones, until 100 % are given away.
    private mutating func shareAmongLevels(_ total: UInt32, _ threshold: UInt32) {
        guard total > 0 else {
            // No usable host anywhere: in panic the first priority takes everything, otherwise nobody does.
            for index in levels.indices {
                levels[index].upTo = threshold > 0 ? 100 : 0
                levels[index].degradedUpTo = levels[index].upTo
            }
            return
        }
        var assigned: UInt32 = 0
        var last: (level: Int, degraded: Bool)?
        for index in levels.indices {
            let share = health(index) * 100 / total
            if share > 0 { last = (index, false) }
            assigned = min(100, assigned + share)
            levels[index].upTo = assigned
        }
        for index in levels.indices {
            let share = degradedHealth(index) * 100 / total
            if share > 0, assigned < 100 { last = (index, true) }
            assigned = min(100, assigned + share)
            levels[index].degradedUpTo = assigned
        }
        // What integer division lost goes to the last one that takes traffic.
        guard assigned < 100, let last else { return }
        for index in levels.indices {
            if !last.degraded, index >= last.level { levels[index].upTo = 100 }
            if !last.degraded || index >= last.level { levels[index].degradedUpTo = 100 }
        }
    }

    private mutating func refreshWeights(now: UInt64) {
        nextRefresh = .max
        guard let slow = table.spec.slowStart else { return }
        for host in table.hosts.indices {
            let start = startedAt[host]
            let age = start == 0 ? .max : now &- start
            effective[host] = Double(table.hosts[host].weight) * slow.factor(age: age)
            if age < slow.window { nextRefresh = now &+ max(20, slow.window / 100) }
        }
    }

    /// A priority's health with overprovisioning, 0...100.
    func health(_ index: Int) -> UInt32 { share(levels[index].healthy, of: index) }

    private func degradedHealth(_ index: Int) -> UInt32 {
        // Overprovisioning is for the priority as a whole: degraded hosts add what healthy ones leave open.
        min(share(levels[index].degradedCount, of: index), 100 - health(index))
    }

    private func share(_ part: Int, of index: Int) -> UInt32 {
        let count = UInt32(table.levels[index].hosts.count)
        guard count > 0 else { return 0 }
        return UInt32(min(100, Int(table.spec.overprovisioningPercent) * part / Int(count)))
    }

    private mutating func fill(_ index: Int) {
        let panics = levels[index].panics
        measureLocalities(index)
        Self.clear(&levels[index].main)
        for member in table.levels[index].hosts {
            let host = Int(member)
            guard panics || isHealthy[host] && !table.hosts[host].isDegraded else { continue }
            add(host, to: \.main, of: index)
        }
        finish(\.main, of: index, ignoringHealth: panics)
    }

    private mutating func fillDegraded(_ index: Int) {
        guard var choice = levels[index].degraded else { return }
        Self.clear(&choice)
        // Degraded hosts are a reserve: they share by their own weights, whatever their localities'.
        for member in table.levels[index].hosts {
            let host = Int(member)
            guard isHealthy[host], table.hosts[host].isDegraded else { continue }
            phase = Self.mix(phase)
            let group = group(of: host, index)
            Self.add(host, effective[host], Self.fraction(phase), to: &choice, group)
        }
        for (group, locality) in choice.groups.indices.map({ ($0, table.levels[index].localities[$0]) }) {
            choice.groups[group].weighted.finish()
            guard choice.groups[group].weighted.count > 0 else { continue }
            let weight = table.spec.localityWeighted ? localityWeight(index, locality) : 1
            if weight > 0 { choice.localities.add(group, weight: weight, phase: 0.5) }
        }
        levels[index].degraded = choice
    }

    private mutating func add(_ host: Int, to choice: WritableKeyPath<Level, Choice>, of index: Int) {
        phase = Self.mix(phase)
        let group = group(of: host, index)
        Self.add(host, effective[host], Self.fraction(phase), to: &levels[index][keyPath: choice], group)
    }

    private static func add(_ host: Int, _ weight: Double, _ phase: Double, to choice: inout Choice, _ group: Int) {
        choice.groups[group].weighted.add(host, weight: weight)
        choice.groups[group].turns.add(host, weight: weight, phase: phase)
        choice.count += 1
    }

    private static func clear(_ choice: inout Choice) {
        choice.count = 0
        choice.localities.removeAll()
        for group in choice.groups.indices {
            choice.groups[group].weighted.removeAll()
            choice.groups[group].turns.removeAll()
        }
    }

    private mutating func finish(_ choice: WritableKeyPath<Level, Choice>, of index: Int, ignoringHealth: Bool) {
        for group in levels[index][keyPath: choice].groups.indices {
            levels[index][keyPath: choice].groups[group].weighted.finish()
            guard levels[index][keyPath: choice].groups.count > 1 else { continue }
            let locality = table.levels[index].localities[group]
            let share = localityShare(index, locality, ignoringHealth: ignoringHealth)
            guard share > 0, levels[index][keyPath: choice].groups[group].weighted.count > 0 else { continue }
            phase = Self.mix(phase)
            levels[index][keyPath: choice].localities.add(group, weight: share, phase: Self.fraction(phase))
        }
        // Only localities without weight are left: nobody is to get traffic.
        if levels[index][keyPath: choice].groups.count > 1, levels[index][keyPath: choice].localities.count == 0 {
            levels[index][keyPath: choice].count = 0
        }
    }

    private func group(of host: Int, _ index: Int) -> Int {
        guard table.spec.localityWeighted else { return 0 }
        return table.levels[index].localities.firstIndex(of: table.hosts[host].locality) ?? 0
    }

    private mutating func measureLocalities(_ index: Int) {
        guard table.spec.localityWeighted else { return }
        for locality in localityTotal.indices { (localityTotal[locality], localityHealthy[locality]) = (0, 0) }
        for member in table.levels[index].hosts {
            let host = Int(member)
            localityTotal[Int(table.hosts[host].locality)] += 1
            if isHealthy[host], !table.hosts[host].isDegraded {
                localityHealthy[Int(table.hosts[host].locality)] += 1
            }
        }
    }

    /// The locality's weight, lowered when more of its hosts are out than overprovisioning allows for.
    private func localityShare(_ index: Int, _ locality: UInt32, ignoringHealth: Bool) -> Double {
        let total = localityTotal[Int(locality)]
        guard total > 0 else { return 0 }
        let available = ignoringHealth ? total : localityHealthy[Int(locality)]
        let health = min(1, available / total * Double(table.spec.overprovisioningPercent) / 100)
        return localityWeight(index, locality) * health
    }

    private func localityWeight(_ index: Int, _ locality: UInt32) -> Double {
        let member = table.levels[index].hosts.first { table.hosts[Int($0)].locality == locality }
        return member.map { Double(table.hosts[Int($0)].localityWeight) } ?? 0
    }

    private static func fraction(_ bits: UInt64) -> Double { Double(bits >> 11) / 9_007_199_254_740_992 }
}
