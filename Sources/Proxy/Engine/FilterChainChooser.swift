internal import EventLoop

/// Which filter chain serves a connection (envoy.config.listener.v3.FilterChainMatch).
///
/// Criteria are looked at in Envoy's order: destination port, destination prefix, server name, transport protocol,
/// application protocols, direct source prefix, source type, source prefix, source port. At each step the most specific value that some chain has wins, and the other
/// chains are out, even if later criteria then match none.
enum FilterChainChooser {
    /// The index into the generation's chains; -1 when nothing matches and there is no default.
    static func choose(
        _ generation: Generation, listener: Int, destination: SocketAddress, source: SocketAddress,
        direct: SocketAddress, _ found: Inspection
    ) -> Int {
        var candidates: [Int] = []
        var fallback = -1
        for (index, chain) in generation.chains.enumerated() where chain.listener == listener {
            if chain.isDefault { fallback = index } else { candidates.append(index) }
        }
        narrow(&candidates) { index in
            guard let port = generation.chains[index].descriptor.match.destinationPort else { return 0 }
            return port == destination.port ? 1 : nil
        }
        narrow(&candidates) { prefix(generation.chains[$0].descriptor.match.destinationPrefixes, destination) }
        narrow(&candidates) { name(generation.chains[$0].descriptor.match.serverNames, found.serverName) }
        narrow(&candidates) { index in
            switch generation.chains[index].descriptor.match.transport {
            case .any: 0
            case .raw: found.isTLS ? nil : 1
            case .tls: found.isTLS ? 1 : nil
            }
        }
        narrow(&candidates) { index in
            let protocols = generation.chains[index].descriptor.match.applicationProtocols
            if protocols.isEmpty { return 0 }
            // The client's order decides among what it offers.
            guard let place = found.protocols.firstIndex(where: protocols.contains) else { return nil }
            return 1000 - place
        }
        narrow(&candidates) { prefix(generation.chains[$0].descriptor.match.directSourcePrefixes, direct) }
        narrow(&candidates) { index in
            switch generation.chains[index].descriptor.match.sourceType {
            case .any: 0
            case .local: isLocal(source, destination) ? 1 : nil
            case .external: isLocal(source, destination) ? nil : 1
            }
        }
        narrow(&candidates) { prefix(generation.chains[$0].descriptor.match.sourcePrefixes, source) }
        narrow(&candidates) { index in
            let ports = generation.chains[index].descriptor.match.sourcePorts
            return ports.isEmpty ? 0 : ports.contains(source.port) ? 1 : nil
        }
        return candidates.first ?? fallback
    }

    /// SAME_IP_OR_LOOPBACK: the connection comes from this machine.
    private static func isLocal(_ source: SocketAddress, _ destination: SocketAddress) -> Bool {
        guard let ip = source.ip else { return true }
        return ip.isLoopback || ip == destination.ip
    }

    /// Keeps the candidates with the highest score; nil is no match, 0 accepts anything.
    private static func narrow(_ candidates: inout [Int], _ score: (Int) -> Int?) {
        var best = -1
        var kept: [Int] = []
        for index in candidates {
            guard let value = score(index) else { continue }
            if value > best {
                best = value
                kept = []
            }
            if value == best { kept.append(index) }
        }
        candidates = kept
    }

    private static func prefix(_ prefixes: [AddressPrefix], _ address: SocketAddress) -> Int? {
        if prefixes.isEmpty { return 0 }
        guard let ip = address.ip else { return nil }
        return prefixes.filter { $0.contains(ip) }.map { $0.length + 1 }.max()
    }

    private static func name(_ names: [String], _ given: String) -> Int? {
        if names.isEmpty { return 0 }
        var best: Int?
        for name in names {
            if name == given, !given.isEmpty { return 10_000 }
            if name.hasPrefix("*."), given.hasSuffix(name.dropFirst()) { best = max(best ?? 0, name.utf8.count) }
            if name.isEmpty { best = max(best ?? 0, 0) }
        }
        return best
    }
}
