/// Header mutations that belong to no route table: those of a filter. Immutable.
package struct HeaderMutationList: Sendable {
    private let pool: PatternPool
    package let mutations: [HeaderMutation]

    /// - Parameter specs: applied one after the other; in each, removals come first.
    package init(_ specs: [HeaderMutationSpec]) {
        var builder = PatternPoolBuilder()
        mutations = specs.flatMap { builder.add($0) }
        pool = builder.finish()
    }

    package var isEmpty: Bool { mutations.isEmpty }

    /// Bytes that a mutation of this list refers to.
    @_lifetime(borrow self)
    @inline(__always)
    package func bytes(_ run: PooledBytes) -> Span<UInt8> { pool.span(run) }
}

extension PatternPoolBuilder {
    /// Compiles the mutations of one level: removals, then settings.
    mutating func add(_ spec: HeaderMutationSpec) -> [HeaderMutation] {
        var result: [HeaderMutation] = []
        for name in spec.removals {
            result.append(HeaderMutation(kind: .remove, header: add(header: name), value: PooledBytes()))
        }
        for setting in spec.settings {
            let kind: HeaderMutation.Kind =
                switch setting.append {
                case .append: .append
                case .addIfAbsent: .addIfAbsent
                case .overwriteOrAdd: .overwriteOrAdd
                case .overwriteIfPresent: .overwriteIfPresent
                }
            result.append(
                HeaderMutation(
                    kind: kind, header: add(header: setting.name), value: add(setting.value), format: setting.format,
                    keepsEmpty: setting.keepsEmpty))
        }
        return result
    }
}
