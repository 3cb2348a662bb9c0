internal import HeaderBlock
internal import Routing

/// One compiled condition with the numbers of what follows. Plain bits.
struct ConditionTest: Sendable {
    enum Kind: UInt8, Sendable {
        case header, path, destinationAddress, destinationPort, sourceAddress, directAddress, remoteAddress
        case authenticated, principal, serverName, metadata
    }

    var kind: Kind
    /// Into `headers`, `ranges` or `metadata` of the authorizer.
    var index: UInt32 = 0
    var pattern = PooledPattern.any
    var lowPort: UInt16 = 0
    var highPort: UInt16 = 0
    var whenHolds: Int32
    var whenNot: Int32
}

extension Authorizer {
    @inline(__always)
    func holds(_ test: ConditionTest, _ path: ByteRange, _ input: borrowing AuthorizationInput) -> Bool {
        switch test.kind {
        case .header:
            guard let head = input.head else { return false }
            return headers.span[Int(test.index)].matchesAnyLine(head, pool: pool)
        case .path:
            guard let head = input.head else { return false }
            return pool.matches(test.pattern, head.bytes.extracting(path.lowerBound..<path.upperBound))
        case .destinationAddress: return ranges.span[Int(test.index)].contains(input.destination)
        case .sourceAddress: return ranges.span[Int(test.index)].contains(input.source)
        case .directAddress: return ranges.span[Int(test.index)].contains(input.direct)
        case .remoteAddress: return ranges.span[Int(test.index)].contains(input.remote)
        case .destinationPort:
            return input.destinationPort >= test.lowPort && input.destinationPort <= test.highPort
        case .authenticated: return input.isAuthenticated
        case .principal: return input.isAuthenticated && proves(test.pattern, input)
        case .metadata: return metadata.span[Int(test.index)].holds(input.metadata, pool: pool)
        case .serverName: return pool.matches(test.pattern, input.serverName)
        }
    }

    /// Whether a name of the peer's certificate fits: its URI names, its DNS names, its subject, as Envoy tries them.
    private func proves(_ pattern: PooledPattern, _ input: borrowing AuthorizationInput) -> Bool {
        for index in input.uriNames.indices where pool.matches(pattern, input.uriNames[index].span) { return true }
        for index in input.dnsNames.indices where pool.matches(pattern, input.dnsNames[index].span) { return true }
        return pool.matches(pattern, input.subject)
    }
}
