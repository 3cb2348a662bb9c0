/// A consistent-hash table over the hosts of one priority: hash -> host index. Immutable, shared by workers.
package struct HashTable: Sendable {
    private struct Point: Sendable {
        var hash: UInt64
        var host: Int32
    }

    /// Ring hash: sorted points. Empty for maglev.
    private var ring: [Point] = []
    /// Maglev: slot -> host.
    private var slots: [Int32] = []

    /// Ring of at least `minimumSize` points (more when weights need it, at most `maximumSize`), as Envoy's RingHash:
    /// the points of a host are the hashes of `key_0`, `key_1`, ….
    static func ring(
        _ hosts: [(host: Int, key: String, weight: Double)], minimumSize: UInt32, maximumSize: UInt32,
        function: BalancerSpec.HashFunction = .xxHash
    ) -> HashTable {
        var table = HashTable()
        guard let least = hosts.map(\.weight).min(), least > 0 else { return table }
        let total = hosts.reduce(0) { $0 + $1.weight }
        let scale = min((least / total * Double(minimumSize)).rounded(.up) / (least / total), Double(maximumSize))
        var current = 0.0
        var target = 0.0
        for host in hosts {
            target += host.weight / total * scale
            var number = 0
            while current < target {
                let key = Array("\(host.key)_\(number)".utf8)
                let hash = function == .xxHash ? XXHash64.hash(key.span) : Murmur2.hash(key.span)
                table.ring.append(Point(hash: hash, host: Int32(host.host)))
                number += 1
                current += 1
            }
        }
        table.ring.sort { $0.hash < $1.hash }
        return table
    }

    /// Maglev table (Eisenbud et al., NSDI 2016, section 3.4) with weights.
    static func maglev(_ hosts: [(host: Int, key: String, weight: Double)], size: UInt32) -> HashTable {
        var table = HashTable()
        let size = UInt64(size)
        guard !hosts.isEmpty, size > 1, let most = hosts.map(\.weight).max() else { return table }
        let offsets = hosts.map { XXHash64.hash(Array($0.key.utf8).span) % size }
        let skips = hosts.map { XXHash64.hash(Array($0.key.utf8).span, seed: 1) % (size - 1) + 1 }
        var next = [UInt64](repeating: 0, count: hosts.count)
        var credit = [Double](repeating: 0, count: hosts.count)
        table.slots = [Int32](repeating: -1, count: Int(size))
        var filled: UInt64 = 0
        while filled < size {
            for index in hosts.indices where filled < size {
                // A host takes a turn as often as its weight is of the largest.
                credit[index] += hosts[index].weight / most
                guard credit[index] >= 1 else { continue }
                credit[index] -= 1
                var slot: Int
                repeat {
                    slot = Int((offsets[index] + skips[index] * next[index]) % size)
                    next[index] += 1
                } while table.slots[slot] >= 0
                table.slots[slot] = Int32(hosts[index].host)
                filled += 1
            }
        }
        return table
    }

    package var isEmpty: Bool { ring.isEmpty && slots.isEmpty }

    /// The host for `hash` on its `attempt`th try (0 first): later tries walk on along the table. -1 when empty.
    package func find(_ hash: UInt64, attempt: Int) -> Int {
        if !slots.isEmpty {
            let position = (hash % UInt64(slots.count) + UInt64(attempt)) % UInt64(slots.count)
            return Int(slots.span[Int(position)])
        }
        let ring = ring.span
        guard ring.count > 0 else { return -1 }
        var low = 0
        var high = ring.count
        while low < high {
            let middle = (low + high) / 2
            if ring[middle].hash < hash { low = middle + 1 } else { high = middle }
        }
        return Int(ring[(low + attempt) % ring.count].host)
    }

    /// Points or slots held by `host`.
    package func share(of host: Int) -> Int {
        ring.count { Int($0.host) == host } + slots.count { Int($0) == host }
    }

    package var size: Int { ring.count + slots.count }
}
