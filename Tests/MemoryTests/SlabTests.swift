import Memory
import Testing

private struct Item: SlabElement, ~Copyable {
    var value = 0
    var recycled = 0

    init() {}

    mutating func recycle() {
        value = 0
        recycled += 1
    }
}

@Suite struct SlabTests {
    @Test func aHandleFindsItsOccupant() {
        var slab = Slab<Item>()
        let first = slab.insert()
        let second = slab.insert()
        slab[first].value = 1
        slab[second].value = 2
        #expect(slab[first].value == 1)
        #expect(slab[second].value == 2)
        #expect(slab.count == 2)
    }

    @Test func aHandleOfAFormerOccupantIsNoticed() {
        var slab = Slab<Item>()
        let old = slab.insert()
        slab.remove(old)
        let new = slab.insert()
        #expect(new.index == old.index)
        #expect((slab.contains(old)) == false)
        #expect((slab.contains(new)) == true)
        let removedAgain = slab.remove(old)
        #expect(!removedAgain)
        #expect(slab.count == 1)
    }

    @Test func aSlotIsUsedAgainAfterRecycling() {
        var slab = Slab<Item>()
        let handle = slab.insert()
        slab[handle].value = 7
        slab.remove(handle)
        let again = slab.insert()
        #expect(slab[again].value == 0)
        #expect(slab[again].recycled == 1)
    }

    @Test func theHandleOfNothingIsNeverContained() {
        var slab = Slab<Item>()
        for _ in 0..<200 { _ = slab.insert() }
        #expect((slab.contains(.none)) == false)
    }

    @Test func handlesSurviveTheirKernelForm() {
        let handle = Handle(index: 77, generation: 13)
        #expect(Handle(bits: handle.bits) == handle)
    }

    @Test func manyRandomInsertsAndRemovesKeepEveryOccupantApart() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        var slab = Slab<Item>()
        var live: [(Handle, Int)] = []
        for step in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1
            if live.isEmpty || state >> 33 % 3 != 0 {
                let handle = slab.insert()
                slab[handle].value = step
                live.append((handle, step))
            } else {
                let index = Int(state >> 40) % live.count
                let (handle, value) = live.swapAt(index)
                #expect(slab[handle].value == value, "seed \(seed)")
                slab.remove(handle)
            }
        }
        for (handle, value) in live { #expect(slab[handle].value == value, "seed \(seed)") }
        #expect(slab.count == live.count)
    }
}

extension Array {
    fileprivate mutating func swapAt(_ index: Int) -> Element {
        swapAt(index, count - 1)
        return removeLast()
    }
}
