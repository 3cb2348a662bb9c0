import MeshAPI

/// Joins a rule of a root VirtualService with a rule of its delegate.
///
/// Every pair of matches that can hold together becomes one; the delegate's actions win and the root fills in what it leaves out.
enum DelegateMerge {
    /// Nil when no pair of matches can hold together.
    static func merge(_ root: HTTPRoute, _ delegate: HTTPRoute) -> HTTPRoute? {
        var result = delegate
        if root.match.isEmpty || delegate.match.isEmpty {
            result.match = root.match.isEmpty ? delegate.match : root.match
        } else {
            result.match = root.match.flatMap { outer in delegate.match.compactMap { merge(outer, $0) } }
            guard !result.match.isEmpty else { return nil }
        }
        let names = [root.name, delegate.name].compactMap(\.self).filter { !$0.isEmpty }
        result.name = names.isEmpty ? nil : names.joined(separator: "-")
        result.rewrite = delegate.rewrite ?? root.rewrite
        result.timeout = delegate.timeout ?? root.timeout
        result.retries = delegate.retries ?? root.retries
        result.fault = delegate.fault ?? root.fault
        result.mirrors = delegate.mirrors.isEmpty ? root.mirrors : delegate.mirrors
        result.corsPolicy = delegate.corsPolicy ?? root.corsPolicy
        result.headers = delegate.headers ?? root.headers
        return result
    }

    private static func merge(_ root: HTTPMatchRequest, _ delegate: HTTPMatchRequest) -> HTTPMatchRequest? {
        guard let uri = narrow(root.uri, delegate.uri), let scheme = narrow(root.scheme, delegate.scheme),
            let method = narrow(root.method, delegate.method),
            let authority = narrow(root.authority, delegate.authority),
            let headers = join(root.headers, delegate.headers),
            let withoutHeaders = join(root.withoutHeaders, delegate.withoutHeaders),
            let queryParams = join(root.queryParams, delegate.queryParams)
        else { return nil }
        if let outer = root.port, let inner = delegate.port, outer != 0, inner != 0, outer != inner { return nil }
        if let outer = root.sourceNamespace, let inner = delegate.sourceNamespace, outer != inner { return nil }
        var result = delegate
        result.uri = uri.match
        result.scheme = scheme.match
        result.method = method.match
        result.authority = authority.match
        result.headers = headers
        result.withoutHeaders = withoutHeaders
        result.queryParams = queryParams
        result.port = (delegate.port ?? 0) == 0 ? root.port : delegate.port
        result.sourceNamespace = delegate.sourceNamespace ?? root.sourceNamespace
        result.sourceLabels = root.sourceLabels
        result.gateways = root.gateways
        result.ignoreURICase = root.ignoreURICase || delegate.ignoreURICase
        let names = [root.name, delegate.name].compactMap(\.self).filter { !$0.isEmpty }
        result.name = names.isEmpty ? nil : names.joined(separator: "-")
        return result
    }

    private struct Narrowed {
        var match: StringMatch?
    }

    /// The delegate's condition when everything that it takes is taken by the root's as well.
    private static func narrow(_ root: StringMatch?, _ delegate: StringMatch?) -> Narrowed? {
        guard let root else { return Narrowed(match: delegate) }
        guard let delegate else { return Narrowed(match: root) }
        switch (root, delegate) {
        case (.exact(let outer, _), .exact(let inner, _)): return outer == inner ? Narrowed(match: delegate) : nil
        case (.prefix(let outer, _), .exact(let inner, _)), (.prefix(let outer, _), .prefix(let inner, _)):
            return inner.hasPrefix(outer) ? Narrowed(match: delegate) : nil
        case (.regex(let outer, _), .regex(let inner, _)): return outer == inner ? Narrowed(match: delegate) : nil
        default: return nil
        }
    }

    private static func join(
        _ root: [HTTPMatchRequest.Named],
        _ delegate: [HTTPMatchRequest.Named]
    ) -> [HTTPMatchRequest.Named]? {
        var result = delegate
        for outer in root {
            guard let index = result.firstIndex(where: { $0.name == outer.name }) else {
                result.append(outer)
                continue
            }
            guard let narrowed = narrow(outer.match, result[index].match) else { return nil }
            result[index].match = narrowed.match
        }
        return result
    }
}
