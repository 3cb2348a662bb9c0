import Routing
import Testing

@Suite("How long a stream may live")
struct StreamDurationTests {
    struct Case: Sendable {
        var limit: UInt64 = .max
        var grpcLimit: UInt64 = .max
        var offset: UInt64 = 0
        var asked: UInt64?
        var fallback: UInt64 = 0
        var expected: UInt64
    }

    @Test(
        "the route's limit, the connection manager's, or what grpc-timeout asks for as far as the route lets it",
        arguments: [
            Case(expected: 0), Case(fallback: 7, expected: 7), Case(limit: 5, fallback: 7, expected: 5),
            Case(limit: 0, fallback: 7, expected: 0), Case(limit: 9, asked: 5, expected: 9),
            Case(limit: 9, grpcLimit: 0, asked: 5, expected: 5), Case(limit: 9, grpcLimit: 3, asked: 5, expected: 3),
            Case(limit: 9, grpcLimit: 3, expected: 9), Case(grpcLimit: 0, offset: 2, asked: 5, expected: 3),
            Case(grpcLimit: 0, offset: 5, asked: 5, expected: 5),
        ])
    func limits(item: Case) {
        var duration = StreamDuration()
        duration.limit = item.limit
        duration.grpcLimit = item.grpcLimit
        duration.grpcOffset = item.offset
        #expect(duration.limit(grpcTimeout: item.asked, fallback: item.fallback) == item.expected)
    }
}
