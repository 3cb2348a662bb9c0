/// Weighted turns by earliest deadline first: each host comes back after the inverse of its weight. A heap in flat
/// arrays: choosing is O(log n) and allocates nothing.
struct TurnQueue: Sendable {
    private var heap: [Int32]
    private var deadlines: [Double]
    private var steps: [Double]
    private(set) var count = 0

    init(capacity: Int) {
        heap = [Int32](repeating: 0, count: capacity)
        deadlines = [Double](repeating: 0, count: capacity)
        steps = [Double](repeating: 1, count: capacity)
    }

    mutating func removeAll() { count = 0 }

    /// Adds a host; entries are numbered in the order of adding. `phase` in 0..<1 spreads the first turns.
    mutating func add(_ host: Int, weight: Double, phase: Double) {
        heap[count] = Int32(truncatingIfNeeded: host)
        steps[count] = 1 / weight
        deadlines[count] = phase / weight
        count += 1
        siftUp(count - 1)
    }

    /// The host whose turn it is. The queue must not be empty.
    mutating func next() -> Int {
        let host = Int(heap[0])
        deadlines[0] += steps[0]
        siftDown()
        return host
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard deadlines[child] < deadlines[parent] else { return }
            swap(child, parent)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < count else { return }
            if child + 1 < count, deadlines[child + 1] < deadlines[child] { child += 1 }
            guard deadlines[child] <= deadlines[parent] else { return }
            swap(child, parent)
            parent = child
        }
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        heap.swapAt(a, b)
        deadlines.swapAt(a, b)
        steps.swapAt(a, b)
    }
}
