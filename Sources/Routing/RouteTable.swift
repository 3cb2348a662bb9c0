package import HeaderBlock

/// A compiled route configuration. Immutable; workers share it.
///
/// Lookup is: hash of the authority -> virtual host -> its routes in order, first match decides.
package final class RouteTable: Sendable {
    package let name: String
    package let origin: Origin
    let program: RouteProgram

    /// Compiles `spec`. Throws the first thing that cannot be compiled, with its path inside the configuration.
    package init(_ spec: RouteConfigurationSpec) throws(RouteTableError) {
        name = spec.name
        origin = spec.origin
        program = try RouteProgram(spec)
    }

    /// Finds the route of a request. Allocates nothing, unless a header that a route tests occurs several times.
    ///
    /// - Parameters:
    ///   - random: 64 fresh random bits; they choose among weighted clusters and runtime fractions.
    ///   - rejected: the route that was found before and whose `condition` does not hold; .max = none.
    @inline(__always)
    package func decide(_ head: borrowing HeadView, random: UInt64, after rejected: UInt32 = .max) -> RouteDecision {
        program.decide(head, random: random, after: rejected)
    }

    /// The routes of all virtual hosts.
    package var routeCount: Int { program.routes.count }

    /// One route's numbers. `index` comes from a decision of this table.
    @inline(__always)
    package func route(_ index: UInt32) -> RouteEntry { program.routes[Int(index)] }

    /// What must hold beside the head for the route to be taken: the owner's number (`RouteMatchSpec.condition`).
    @inline(__always)
    package func condition(_ index: UInt32) -> UInt32 { program.routes[Int(index)].condition }

    /// Bytes that an entry, mutation or decision of this table refers to.
    @_lifetime(borrow self)
    @inline(__always)
    package func bytes(_ run: PooledBytes) -> Span<UInt8> {
        // SAFETY: the pool's memory lives as long as self, which the result borrows.
        _overrideLifetime(program.bytes.span(Int(run.offset), Int(run.count)), borrowing: self)
    }

    package func string(_ run: PooledBytes) -> String { program.pool.string(run) }

    @inline(__always)
    package func mutation(_ index: Int) -> HeaderMutation { program.mutations[index] }

    package func upgrade(_ index: Int) -> RouteUpgrade { program.upgrades[index] }

    package func mirror(_ index: Int) -> CompiledMirror { program.mirrors[index] }

    /// The same as bytes of this table.
    package func virtualHostNameBytes(_ index: UInt32) -> PooledBytes { program.virtualHosts[Int(index)].name }

    /// Name of a virtual host by its number in a decision.
    package func virtualHostName(_ index: UInt32) -> String {
        program.pool.string(program.virtualHosts[Int(index)].name)
    }

    /// The value of the request header that `key` (of this table) names.
    package func value(of key: HeaderKey, in head: borrowing HeadView) -> ByteRange? {
        program.pool.firstValue(of: key, in: head)
    }

    /// Whether `writePath` would write something.
    @inline(__always)
    package func rewritesPath(_ decision: RouteDecision) -> Bool {
        program.routes[Int(decision.route)].rewrite.kind != .none
    }

    /// Appends the path (with query) that the upstream gets; false, with nothing appended, when it stays as it is.
    package func writePath(
        for decision: RouteDecision, _ head: borrowing HeadView, into output: inout [UInt8]
    ) -> Bool {
        program.writePath(for: decision, head, into: &output)
    }

    /// Appends the `location` of a redirect decision.
    package func writeRedirect(
        for decision: RouteDecision, _ head: borrowing HeadView, into output: inout [UInt8]
    ) {
        program.writeRedirect(for: decision, head, into: &output)
    }

    /// Evaluates the hash policies of the decision's route, combined as Envoy combines them.
    ///
    /// - Parameters:
    ///   - source: the client's address in any stable form of bytes.
    ///   - fresh: random bits that become the cookie when one has to be made; the hash is that of the cookie's text.
    package func hash(
        for decision: RouteDecision, _ head: borrowing HeadView, source: borrowing Span<UInt8>, fresh: UInt64
    ) -> RequestHash {
        program.hash(for: decision, head, source: source, fresh: fresh)
    }

    /// Appends the `set-cookie` value for `RequestHash.cookieToSet`, with the `fresh` that was hashed.
    package func writeCookie(policy index: UInt32, fresh: UInt64, into output: inout [UInt8]) {
        program.writeCookie(policy: index, fresh: fresh, into: &output)
    }
}

/// Why a route configuration does not compile.
package struct RouteTableError: Error, CustomStringConvertible, Sendable {
    /// The field inside the route configuration, as `virtual_hosts[0].routes[2].match`.
    package var path: String
    package var reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    package var description: String { "\(path): \(reason)" }
}
