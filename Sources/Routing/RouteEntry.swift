/// A half-open run of indices into one of a table's flat arrays.
package struct IndexRange: Sendable {
    package var start: UInt32 = 0
    package var end: UInt32 = 0

    @inline(__always)
    package var indices: Range<Int> { Int(start)..<Int(end) }
    package var isEmpty: Bool { start == end }
}

/// One compiled route: numbers only, free to copy. Texts are in the table (`RouteTable.bytes`).
package struct RouteEntry: Sendable {
    package enum Action: UInt8, Sendable {
        case cluster, weightedClusters, clusterHeader, redirect, directResponse
    }
    enum PathTest: UInt8, Sendable {
        case prefix, exact, regex, segmentPrefix, connect
    }

    // The test.
    var pathTest: PathTest
    var foldsCase: Bool
    var grpcOnly: Bool
    /// `offset` is the number of the regular expression for `.regex`.
    var path: PooledBytes
    var headers = IndexRange()
    var query = IndexRange()
    /// Millionths.
    var fraction: UInt32 = 1_000_000
    /// The owner's number of what must hold beside the head; .max = nothing.
    var condition: UInt32 = .max

    // The action.
    package var action: Action
    package var cluster = ClusterID.none
    var weights = IndexRange()
    var totalWeight: UInt64 = 0
    /// The request header that names the cluster (`clusterHeader`).
    package var clusterHeader = HeaderKey.none
    /// Status of a redirect or direct response; of a missing cluster otherwise.
    package var status: UInt16 = 503
    package var highPriority = false
    /// The owner's number of what endpoints' metadata must hold; .max = anything.
    package var metadataMatch: UInt32 = .max
    package var upgrades = IndexRange()
    /// x-envoy-attempt-count goes upstream.
    package var sendsAttemptCount = false
    /// x-envoy-attempt-count goes to the client.
    package var returnsAttemptCount = false
    var rewrite = PathRewrite()
    package var hostRewrite = CompiledHostRewrite()
    var redirect: UInt32 = .max
    package var body = PooledBytes()

    // Policies.
    /// Whole request; 0 = none.
    package var timeoutNanoseconds: UInt64 = 15_000_000_000
    /// .max = not set on the route.
    package var idleTimeoutNanoseconds: UInt64 = .max
    /// .max = not set: `grpc-timeout` does not replace the timeout.
    package var maxGRPCTimeoutNanoseconds: UInt64 = .max
    package var duration = StreamDuration()
    /// Index into the owner's retry policies; .max = none.
    package var retryPolicy: UInt32 = .max
    package var hedges = false
    package var hashPolicies = IndexRange()
    package var mirrors = IndexRange()
    package var requestMutations = IndexRange()
    package var responseMutations = IndexRange()
    package var name = PooledBytes()
    package var origin = Origin.none
    package var attachment: UInt32 = .max
}

/// What happens to the path of a forwarded request.
struct PathRewrite: Sendable {
    enum Kind: UInt8, Sendable {
        case none
        /// `text` replaces the matched prefix, or the whole path when the match was not a prefix.
        case prefix
        /// `text` is the substitution of regular expression number `regex`.
        case regex
    }
    var kind = Kind.none
    var text = PooledBytes()
    var regex: UInt32 = 0
}

/// What becomes of the Host header.
package struct CompiledHostRewrite: Sendable {
    package enum Kind: UInt8, Sendable { case none, literal, endpointName, header }
    package var kind = Kind.none
    /// The host (`literal`).
    package var text = PooledBytes()
    /// The header that holds the host (`header`).
    package var header = HeaderKey.none
}

struct WeightedTarget: Sendable {
    var cluster: ClusterID
    /// Sum of the weights up to and including this one.
    var upTo: UInt64
    var requestMutations: IndexRange
    var responseMutations: IndexRange
    var hostRewrite: CompiledHostRewrite
    var attachment: UInt32
    var metadataMatch: UInt32
}

struct CompiledHeaderMatch: Sendable {
    enum Test: UInt8, Sendable { case present, pattern, range }
    var key: HeaderKey
    var test: Test
    var inverted: Bool
    var missingIsEmpty: Bool
    var pattern: PooledPattern
    var low: Int64
    var high: Int64
}

struct CompiledQueryMatch: Sendable {
    var name: PooledBytes
    var presence: Bool
    var pattern: PooledPattern
}

/// One step of changing headers.
package struct HeaderMutation: Sendable {
    package enum Kind: UInt8, Sendable { case append, addIfAbsent, overwriteOrAdd, overwriteIfPresent, remove }
    package var kind: Kind
    package var header: HeaderKey
    package var value: PooledBytes
    /// Of the owner's formats, which makes the value; .max = `value` is the value.
    package var format: UInt32 = .max
    /// An empty value sets the header all the same.
    package var keepsEmpty = false

    /// Lower case.
    package var name: PooledBytes { header.name }
}

/// A shadow of the request for another cluster.
package struct CompiledMirror: Sendable {
    package var cluster: ClusterID
    /// Millionths.
    package var fraction: UInt32
    /// `-shadow` is appended to the host.
    package var appendsSuffix: Bool
}

struct CompiledHashPolicy: Sendable {
    enum Source: UInt8, Sendable { case header, cookie, sourceAddress, queryParameter }
    var source: Source
    var terminal: Bool
    /// Of the cookie or query parameter.
    var name: PooledBytes
    var header: HeaderKey
    var cookiePath: PooledBytes
    /// `; name=value` …
    var cookieAttributes: PooledBytes
    /// .max = not generated.
    var ttlSeconds: UInt64
}

struct CompiledRedirect: Sendable {
    enum Path: UInt8, Sendable { case keep, whole, prefix, regex }
    var scheme: PooledBytes
    var host: PooledBytes
    /// 0 = not set.
    var port: UInt16
    var path: Path
    var text: PooledBytes
    var regex: UInt32
    var stripsQuery: Bool
}
