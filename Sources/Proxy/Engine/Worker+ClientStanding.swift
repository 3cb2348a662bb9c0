internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory

/// What a client may say, and what is said of it: Envoy's ConnectionManagerUtility::mutateRequestHeaders.
extension Worker where Wire: ~Copyable {
    /// Takes out what only the mesh may say when the client is not of it, and writes down who the client is.
    @inline(__always)
    mutating func judgeClient(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) {
        let isInternal = isInternalClient(handle, exchange, manager)
        if isInternal {
            exchanges[exchange].request.removeAll(.xEnvoyInternal)
            exchanges[exchange].addField(.xEnvoyInternal, "true")
            exchanges[exchange].mayAsk = true
        } else {
            exchanges[exchange].removeInternalFields(isEdge: manager.usesRemoteAddress)
        }
        if manager.usesRemoteAddress { appendClient(handle, exchange, manager, isInternal: isInternal) }
    }

    /// One address only stands for the client, and it is one of the mesh's.
    private func isInternalClient(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) -> Bool {
        guard let internalAddresses = manager.internalAddresses else { return false }
        let forwarded = exchanges[exchange].request.first(.xForwardedFor)
        if manager.usesRemoteAddress {
            guard forwarded == nil else { return false }
            switch connections[handle].remote {
            case .ip(let address, _): return internalAddresses.contains(address)
            default: return internalAddresses.unixSockets
            }
        }
        guard manager.trustedHops == 0, let forwarded,
            let address = exchanges[exchange].forwardedAddress(forwarded, fromEnd: 1),
            exchanges[exchange].forwardedAddressCount(forwarded) == 1
        else { return false }
        return internalAddresses.contains(address)
    }

    /// x-forwarded-for gets the peer's address; at the edge the client's address and a fresh id are written too.
    private mutating func appendClient(
        _ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager, isInternal: Bool
    ) {
        if !isInternal {
            if let client = exchanges[exchange].remoteAddress?.ip ?? connections[handle].remote.ip {
                scratch.removeAll(keepingCapacity: true)
                client.write(to: &scratch)
                exchanges[exchange].addField(.xEnvoyExternalAddress, scratch)
            }
            if !manager.preservesExternalRequestID { exchanges[exchange].request.removeAll(.xRequestID) }
        }
        // A trusted proxy in front knows better what the client spoke.
        if manager.trustedHops == 0 { exchanges[exchange].request.removeAll(.xForwardedProto) }
        guard !manager.skipsForwardedForAppend, let ip = connections[handle].remote.ip else { return }
        scratch.removeAll(keepingCapacity: true)
        if exchanges[exchange].copyForwardedFor(to: &scratch) {
            scratch.append(0x2c)
            exchanges[exchange].request.removeAll(.xForwardedFor)
        }
        ip.write(to: &scratch)
        exchanges[exchange].addField(.xForwardedFor, scratch)
    }
}

extension Exchange {
    /// How many addresses a list with commas holds.
    func forwardedAddressCount(_ list: ByteRange) -> Int {
        var count = 1
        for index in list.lowerBound..<list.upperBound where arena.storage[index] == 0x2c { count &+= 1 }
        return count
    }

    /// Takes out what only the mesh may say.
    mutating func removeInternalFields(isEdge: Bool) {
        for index in 0..<request.count where !request[index].isRemoved {
            switch request[index].id {
            case .xEnvoyUpstreamRqTimeoutMs, .xEnvoyUpstreamRqPerTryTimeoutMs, .xEnvoyMaxRetries, .xEnvoyRetryOn,
                .xEnvoyRetryGrpcOn, .xEnvoyExpectedRqTimeoutMs, .xEnvoyInternal:
                request.remove(at: index)
            case .xEnvoyDecoratorOperation, .xEnvoyOriginalPath, .xEnvoyAttemptCount, .xEnvoyPeerMetadata,
                .xEnvoyPeerMetadataID, .xEnvoyExternalAddress, .xEnvoyOriginalHost:
                if isEdge { request.remove(at: index) }
            case .other:
                let name = request[index].name
                guard name.count >= 14, arena.storage.equalsIgnoringCase(name.prefix(8), "x-envoy-") else { continue }
                let isInternal =
                    isAny(name, of: Self.internalNames) || isEdge && isAny(name, of: Self.innerNames)
                if isInternal { request.remove(at: index) }
            default: continue
            }
        }
    }

    private func isAny(_ name: ByteRange, of words: [StaticString]) -> Bool {
        for word in words where name.count == word.utf8CodeUnitCount {
            if arena.storage.equalsIgnoringCase(name, word) { return true }
        }
        return false
    }

    /// What Envoy takes from the requests of clients outside.
    private static var internalNames: [StaticString] {
        [
            "x-envoy-retriable-status-codes", "x-envoy-retriable-header-names", "x-envoy-upstream-alt-stat-name",
            "x-envoy-force-trace", "x-envoy-upstream-rq-timeout-alt-response", "x-envoy-ip-tags",
            "x-envoy-original-url", "x-envoy-hedge-on-per-try-timeout",
        ]
    }

    /// What it takes beside them where they enter the mesh.
    private static var innerNames: [StaticString] {
        ["x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node"]
    }
}
