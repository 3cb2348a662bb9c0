/// Weighted random choice in constant time (Walker's alias method, Vose's construction). Rebuilt in place.
struct AliasTable: Sendable {
    /// Chance, of 2^32, that slot i yields `own[i]`; otherwise it yields `other[i]`.
    private var threshold: [UInt64]
    private var own: [Int32]
    private var other: [Int32]
    private var scaled: [Double]
    private var work: [Int32]
    private(set) var count = 0
    /// All weights are equal: the threshold need not be read.
    private(set) var isUniform = true

    init(capacity: Int) {
        threshold = [UInt64](repeating: 0, count: capacity)
        own = [Int32](repeating: 0, count: capacity)
        other = [Int32](repeating: 0, count: capacity)
        scaled = [Double](repeating: 0, count: capacity)
        work = [Int32](repeating: 0, count: capacity)
    }

    mutating func removeAll() {
        count = 0
        isUniform = true
    }

    /// Adds a host; `finish` must follow before `pick`.
    mutating func add(_ host: Int, weight: Double) {
        own[count] = Int32(truncatingIfNeeded: host)
        scaled[count] = weight
        count += 1
    }

    mutating func finish() {
        guard count > 0 else { return }
        var total = 0.0
        isUniform = true
        for index in 0..<count {
            total += scaled[index]
            if scaled[index] != scaled[0] { isUniform = false }
        }
        guard !isUniform else { return }
        let mean = total / Double(count)
        // Poor slots fill `work` from the left, rich ones from the right.
        var poor = 0
        var rich = count
        for index in 0..<count {
            scaled[index] /= mean
            threshold[index] = 1 << 32
            other[index] = own[index]
            if scaled[index] < 1 {
                work[poor] = Int32(index)
                poor += 1
            } else {
                rich -= 1
                work[rich] = Int32(index)
            }
        }
        while poor > 0, rich < count {
            poor -= 1
            let low = Int(work[poor])
            let high = Int(work[rich])
            threshold[low] = UInt64(scaled[low] * 4_294_967_296)
            other[low] = own[high]
            scaled[high] -= 1 - scaled[low]
            if scaled[high] < 1 {
                rich += 1
                work[poor] = Int32(high)
                poor += 1
            }
        }
    }

    /// A host by weight; `random` are fresh bits. The table must not be empty.
    @inline(__always)
    func pick(_ random: UInt64) -> Int {
        let slot = Int(((random & 0xFFFF_FFFF) &* UInt64(count)) >> 32)
        if isUniform || random >> 32 < threshold.span[slot] { return Int(own.span[slot]) }
        return Int(other.span[slot])
    }

    func host(at index: Int) -> Int { Int(own.span[index]) }
}
