internal import HeaderBlock

extension RouteProgram {
    /// Appends the path (with query) that the upstream gets; false, with nothing appended, when it stays as it is.
    func writePath(
        for decision: RouteDecision, _ head: borrowing HeadView, into output: inout [UInt8]
    ) -> Bool {
        let route = routes[Int(decision.route)]
        guard route.rewrite.kind != .none else { return false }
        let whole = head.pathWithoutQuery
        let path = head.bytes.extracting(whole.lowerBound..<whole.upperBound)
        switch route.rewrite.kind {
        case .none: return false
        case .prefix:
            append(pool.span(route.rewrite.text), to: &output)
            append(path.extracting(matchedLength(route, path)..<path.count), to: &output)
        case .regex:
            pool.program(route.rewrite.regex).replaceAll(
                in: path, with: pool.span(route.rewrite.text), into: &output)
        }
        append(head.bytes.extracting(whole.upperBound..<head.path.upperBound), to: &output)
        return true
    }

    /// Appends the `location` of a redirect decision.
    func writeRedirect(
        for decision: RouteDecision, _ head: borrowing HeadView, into output: inout [UInt8]
    ) {
        guard decision.outcome == .redirect else {
            append(pool.span(texts.https), to: &output)
            appendAuthority(head, newScheme: true, toHTTPS: true, dropsPort: false, to: &output)
            append(head.bytes.extracting(head.path.lowerBound..<head.path.upperBound), to: &output)
            return
        }
        let route = routes[Int(decision.route)]
        let redirect = redirects[Int(route.redirect)]
        let scheme =
            redirect.scheme.isEmpty
            ? (head.scheme == .https ? texts.https : texts.http) : redirect.scheme
        let toHTTPS = ByteString.equal(pool.span(scheme), pool.span(texts.https))
        append(pool.span(scheme), to: &output)
        if redirect.host.isEmpty {
            appendAuthority(
                head, newScheme: (head.scheme == .https) != toHTTPS, toHTTPS: toHTTPS,
                dropsPort: redirect.port != 0, to: &output)
        } else {
            output.append(contentsOf: [0x3A, 0x2F, 0x2F])
            append(pool.span(redirect.host), to: &output)
        }
        if redirect.port != 0 {
            output.append(0x3A)
            output.append(contentsOf: String(redirect.port).utf8)
        }
        writeRedirectPath(route, redirect, head, into: &output)
    }

    private func writeRedirectPath(
        _ route: RouteEntry, _ redirect: CompiledRedirect, _ head: borrowing HeadView, into output: inout [UInt8]
    ) {
        let whole = head.pathWithoutQuery
        let path = head.bytes.extracting(whole.lowerBound..<whole.upperBound)
        var keepsQuery = !redirect.stripsQuery
        switch redirect.path {
        case .keep: append(path, to: &output)
        case .whole:
            let text = pool.span(redirect.text)
            append(text, to: &output)
            // A query of its own wins over the request's.
            if ByteString.firstIndex(of: 0x3F, in: text) < text.count { keepsQuery = false }
        case .prefix:
            append(pool.span(redirect.text), to: &output)
            append(path.extracting(matchedLength(route, path)..<path.count), to: &output)
        case .regex:
            pool.program(redirect.regex).replaceAll(in: path, with: pool.span(redirect.text), into: &output)
        }
        if keepsQuery { append(head.bytes.extracting(whole.upperBound..<head.path.upperBound), to: &output) }
    }

    /// Appends `://` and the request's authority, without a port that would contradict the new scheme.
    private func appendAuthority(
        _ head: borrowing HeadView, newScheme: Bool, toHTTPS: Bool, dropsPort: Bool, to output: inout [UInt8]
    ) {
        output.append(contentsOf: [0x3A, 0x2F, 0x2F])
        let authority = head.bytes.extracting(head.authority.lowerBound..<head.authority.upperBound)
        let hostLength = AuthorityIndex.hostLength(authority)
        var end = authority.count
        if hostLength < authority.count {
            let port = ByteString.integer(authority.extracting((hostLength + 1)..<authority.count))
            if dropsPort || (newScheme && port == (toHTTPS ? 80 : 443)) { end = hostLength }
        }
        append(authority.extracting(0..<end), to: &output)
    }

    /// How many bytes of the path a rewrite replaces: the prefix that matched, everything for other matches.
    private func matchedLength(_ route: RouteEntry, _ path: borrowing Span<UInt8>) -> Int {
        switch route.pathTest {
        case .prefix, .segmentPrefix: Int(route.path.count)
        case .exact, .regex, .connect: path.count
        }
    }

    private func append(_ bytes: borrowing Span<UInt8>, to output: inout [UInt8]) {
        output.reserveCapacity(output.count + bytes.count)
        for index in bytes.indices { output.append(bytes[index]) }
    }
}
