/// The flat memory of a `RouteTable`: arrays of numbers that refer to each other and to one pool of bytes.
struct RouteProgram: Sendable {
    struct VirtualHost: Sendable {
        var routes: IndexRange
        var name: PooledBytes
        var requiresTLS: Bool
        var origin: Origin
    }

    let authorities: AuthorityIndex
    let virtualHosts: [VirtualHost]
    let routes: [RouteEntry]
    let headerMatches: [CompiledHeaderMatch]
    let queryMatches: [CompiledQueryMatch]
    let weights: [WeightedTarget]
    let mutations: [HeaderMutation]
    let mirrors: [CompiledMirror]
    let upgrades: [RouteUpgrade]
    let hashPolicies: [CompiledHashPolicy]
    let redirects: [CompiledRedirect]
    let pool: PatternPool
    let texts: CommonTexts

    var bytes: FrozenBytes { pool.bytes }

    init(_ spec: RouteConfigurationSpec) throws(RouteTableError) {
        var builder = RouteTableBuilder(spec)
        try builder.build()
        do throws(AuthorityIndex.DuplicateDomain) {
            authorities = try AuthorityIndex(
                spec.virtualHosts.enumerated().map { ($1.domains, UInt32($0)) }, ignoresPort: spec.ignoresPort)
        } catch {
            throw RouteTableError(path: "virtual_hosts", reason: error.description)
        }
        virtualHosts = builder.virtualHosts
        routes = builder.routes
        headerMatches = builder.headerMatches
        queryMatches = builder.queryMatches
        weights = builder.weights
        mutations = builder.mutations
        mirrors = builder.mirrors
        upgrades = builder.upgrades
        hashPolicies = builder.hashPolicies
        redirects = builder.redirects
        pool = builder.pool.finish()
        texts = builder.texts
    }
}
