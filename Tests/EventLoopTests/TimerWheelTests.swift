import EventLoop
import Testing

@Suite struct TimerWheelTests {
    private func drain(_ wheel: inout TimerWheel, now: UInt64) -> [UInt64] {
        var fired: [UInt64] = []
        while let payload = wheel.popExpired(now: now) { fired.append(payload.bits) }
        return fired
    }

    @Test(arguments: [1, 4, 100, 255, 256, 257, 1_000, 16_383, 16_384, 60_000, 3_600_000, 100_000_000] as [UInt64])
    func firesNeverEarlyAndAtMostATickLate(delay: UInt64) {
        let start: UInt64 = 1_234_567
        var wheel = TimerWheel(now: start)
        _ = wheel.schedule(TimerWheel.Payload(kind: 0, bits: 1), at: start + delay)
        #expect(drain(&wheel, now: start + delay - 1) == [])
        #expect(drain(&wheel, now: start + delay + 2 * TimerWheel.tickMilliseconds) == [1])
        #expect(wheel.count == 0)
    }

    @Test func aCancelledTimerDoesNotFire() {
        var wheel = TimerWheel(now: 0)
        let timer = wheel.schedule(TimerWheel.Payload(kind: 0, bits: 1), at: 50)
        _ = wheel.schedule(TimerWheel.Payload(kind: 0, bits: 2), at: 50)
        wheel.cancel(timer)
        wheel.cancel(TimerWheel.none)
        #expect(drain(&wheel, now: 100) == [2])
    }

    @Test func theDelayNeverOversleeps() throws {
        var wheel = TimerWheel(now: 1000)
        let none = wheel.delay(now: 1000)
        #expect(none == nil)
        _ = wheel.schedule(TimerWheel.Payload(kind: 0, bits: 1), at: 90_000)
        var now: UInt64 = 1000
        var fired: [UInt64] = []
        var waits = 0
        while fired.isEmpty {
            let next = wheel.delay(now: now)
            let delay = try #require(next)
            #expect(now + delay <= 90_000 + TimerWheel.tickMilliseconds)
            now += max(1, delay)
            fired = drain(&wheel, now: now)
            waits += 1
        }
        #expect(waits < 20)
    }

    @Test func randomTimersFireInTheirTickWhateverTheStride() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var now: UInt64 = next(1 << 30)
        var wheel = TimerWheel(now: now)
        var due: [UInt64: UInt64] = [:]
        var timers: [UInt64: TimerWheel.ID] = [:]
        for step in 0..<5_000 as Range<UInt64> {
            let deadline = now + next(step % 10 == 0 ? 10_000_000 : 2_000)
            timers[step] = wheel.schedule(TimerWheel.Payload(kind: 0, bits: step), at: deadline)
            due[step] = deadline
            if next(4) == 0, let victim = due.keys.randomElement(), let timer = timers[victim] {
                wheel.cancel(timer)
                due[victim] = nil
            }
            now += next(300)
            while let payload = wheel.popExpired(now: now) {
                let deadline = due.removeValue(forKey: payload.bits)
                #expect(deadline != nil && deadline ?? .max <= now, "seed \(seed)")
            }
            let late = due.values.contains { $0 + 2 * TimerWheel.tickMilliseconds <= now }
            #expect(!late, "seed \(seed)")
        }
    }
}
