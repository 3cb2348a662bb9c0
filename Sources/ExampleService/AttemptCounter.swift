import NIOConcurrencyHelpers

/// Counts attempts per request id, across all connections of this process. Forgets the oldest ids beyond a limit.
final class AttemptCounter: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var order: [String] = []
        var oldest = 0
    }

    private let state = NIOLockedValueBox(State())

    /// The number of this attempt, from 1.
    func next(for requestID: String) -> Int {
        state.withLockedValue { state in
            if let count = state.counts[requestID] {
                state.counts[requestID] = count + 1
                return count + 1
            }
            state.counts[requestID] = 1
            if state.order.count < Limits.rememberedRequestIDs {
                state.order.append(requestID)
            } else {
                state.counts[state.order[state.oldest]] = nil
                state.order[state.oldest] = requestID
                state.oldest = (state.oldest + 1) % Limits.rememberedRequestIDs
            }
            return 1
        }
    }
}
