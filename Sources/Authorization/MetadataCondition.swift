internal import Authentication
internal import Routing

/// One condition on the metadata of requests, by itself: when a filter acts (`filter_enabled_metadata`).
package struct MetadataCondition: Sendable {
    private let test: MetadataTest
    private let pool: PatternPool

    package init(_ spec: MetadataMatchSpec) throws(AuthorizationError) {
        var builder = PatternPoolBuilder()
        do {
            test = try MetadataTest(spec, pool: &builder)
        } catch {
            throw .invalidPattern(policy: "filter_enabled_metadata", error)
        }
        pool = builder.finish()
    }

    package func holds(_ metadata: RequestMetadata) -> Bool { test.holds(metadata, pool: pool) }
}
