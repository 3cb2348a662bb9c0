/// Timers of one worker: four wheels of 64 slots, each slot of a wheel as long as the whole wheel below it.
///
/// Insert and cancel are O(1). A timer fires at its tick or up to one tick late, never early. Timers that are pushed back
/// often should be left alone and looked at again when they fire: pushing back is then a store.
package struct TimerWheel: ~Copyable {
    /// What a timer is for; opaque here.
    package struct Payload: Sendable, Equatable {
        package var kind: UInt8
        package var bits: UInt64

        package init(kind: UInt8, bits: UInt64) {
            self.kind = kind
            self.bits = bits
        }
    }

    /// A scheduled timer, until it fires or is cancelled.
    package typealias ID = Int32
    /// No timer.
    package static var none: ID { -1 }

    /// Milliseconds of a tick: the coarse clock is no finer.
    package static var tickMilliseconds: UInt64 { 4 }

    private struct Entry {
        var next: Int32 = -1
        var previous: Int32 = -1
        /// The slot it hangs in; -1 is free, 256 is the list of the expired.
        var slot: Int32 = -1
        var tick: UInt64 = 0
        var payload = Payload(kind: 0, bits: 0)
    }

    private static var expiredSlot: Int32 { 256 }

    private var entries: [Entry] = []
    private var heads: [Int32] = Array(repeating: -1, count: 257)
    private var occupied: InlineArray<4, UInt64> = [0, 0, 0, 0]
    private var firstFree: Int32 = -1
    private var current: UInt64
    /// Scheduled timers.
    package private(set) var count = 0

    /// - Parameter now: milliseconds of the clock that all calls use.
    package init(now: UInt64) { current = now / Self.tickMilliseconds }

    /// Schedules a timer for `deadline` (milliseconds).
    package mutating func schedule(_ payload: Payload, at deadline: UInt64) -> ID {
        if firstFree < 0 {
            entries.append(Entry())
            firstFree = Int32(entries.count - 1)
        }
        let id = firstFree
        firstFree = entries[Int(id)].next
        entries[Int(id)].payload = payload
        entries[Int(id)].tick = max(current + 1, (deadline + Self.tickMilliseconds - 1) / Self.tickMilliseconds)
        link(id)
        count += 1
        return id
    }

    /// Forgets a timer that has not fired.
    package mutating func cancel(_ id: ID) {
        guard id >= 0, entries[Int(id)].slot >= 0 else { return }
        unlink(id)
        free(id)
    }

    /// The next timer that is due at `now`; nil when there is none (any more).
    package mutating func popExpired(now: UInt64) -> Payload? {
        advance(to: now / Self.tickMilliseconds)
        let id = heads[Int(Self.expiredSlot)]
        guard id >= 0 else { return nil }
        let payload = entries[Int(id)].payload
        unlink(id)
        free(id)
        return payload
    }

    /// Milliseconds from `now` until a timer may be due; nil when there is none. It may be too early, never too late.
    package func delay(now: UInt64) -> UInt64? {
        guard count > 0 else { return nil }
        if heads[Int(Self.expiredSlot)] >= 0 { return 0 }
        var earliest = UInt64.max
        for level in 0..<4 where occupied[level] != 0 {
            let shift = UInt64(6 * level)
            let position = current >> shift & 63
            // Slots in the order in which they come up, the current one last.
            let rotated = occupied[level].rotatedRight(by: position &+ 1)
            let distance = UInt64(rotated.trailingZeroBitCount) + 1
            earliest = min(earliest, (current >> shift &+ distance) << shift)
        }
        let due = earliest * Self.tickMilliseconds
        return due > now ? due - now : 0
    }

    private mutating func advance(to target: UInt64) {
        while current < target {
            guard occupied[0] | occupied[1] | occupied[2] | occupied[3] != 0 else {
                current = target
                return
            }
            let position = current & 63
            let later = position == 63 ? 0 : occupied[0] >> (position + 1)
            let boundary = (current | 63) + 1
            if later != 0 {
                let tick = current + 1 + UInt64(later.trailingZeroBitCount)
                if tick > target {
                    current = target
                    return
                }
                current = tick
                expire(slot: Int32(tick & 63))
            } else if boundary <= target {
                current = boundary
                cascade()
                if occupied[0] & 1 != 0 { expire(slot: 0) }
            } else {
                current = target
            }
        }
    }

    /// At a boundary of wheel 0: the slots of the wheels above that begin here are dealt out again.
    private mutating func cascade() {
        for level in 1..<4 {
            let position = current >> UInt64(6 * level) & 63
            let slot = Int32(level * 64) + Int32(position)
            while heads[Int(slot)] >= 0 {
                let id = heads[Int(slot)]
                unlink(id)
                link(id)
            }
            if position != 0 { return }
        }
    }

    private mutating func expire(slot: Int32) {
        while heads[Int(slot)] >= 0 {
            let id = heads[Int(slot)]
            unlink(id)
            if entries[Int(id)].tick <= current { push(id, slot: Self.expiredSlot) } else { link(id) }
        }
    }

    private mutating func link(_ id: Int32) {
        let tick = entries[Int(id)].tick
        guard tick > current else { return push(id, slot: tick == current ? Int32(tick & 63) : Self.expiredSlot) }
        let distance = tick - current
        let level = distance < 64 ? 0 : distance < 4096 ? 1 : distance < 262_144 ? 2 : 3
        // Beyond the last wheel (19 hours): parked in its furthest slot and dealt out again from there.
        let at = level == 3 && distance >= 16_777_216 ? current + 16_515_072 : tick
        push(id, slot: Int32(level * 64) + Int32(at >> UInt64(6 * level) & 63))
    }

    private mutating func push(_ id: Int32, slot: Int32) {
        let head = heads[Int(slot)]
        entries[Int(id)].slot = slot
        entries[Int(id)].previous = -1
        entries[Int(id)].next = head
        if head >= 0 { entries[Int(head)].previous = id }
        heads[Int(slot)] = id
        if slot < 256 { occupied[Int(slot >> 6)] |= 1 << UInt64(slot & 63) }
    }

    private mutating func unlink(_ id: Int32) {
        let entry = entries[Int(id)]
        if entry.next >= 0 { entries[Int(entry.next)].previous = entry.previous }
        if entry.previous >= 0 {
            entries[Int(entry.previous)].next = entry.next
        } else {
            heads[Int(entry.slot)] = entry.next
            if entry.next < 0, entry.slot < 256 { occupied[Int(entry.slot >> 6)] &= ~(1 << UInt64(entry.slot & 63)) }
        }
    }

    private mutating func free(_ id: Int32) {
        entries[Int(id)].slot = -1
        entries[Int(id)].next = firstFree
        firstFree = id
        count -= 1
    }
}

extension UInt64 {
    fileprivate func rotatedRight(by count: UInt64) -> UInt64 {
        let shift = count & 63
        return shift == 0 ? self : self >> shift | self << (64 - shift)
    }
}
