internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// Options of the connection manager that concern request heads.
extension Worker where Wire: ~Copyable {
    /// Carries out the options; false when the request was answered.
    @inline(__always)
    mutating func applyHeadOptions(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) -> Bool {
        manager.hasHeadOptions ? applyOptions(handle, exchange, manager.headOptions) : true
    }

    private mutating func applyOptions(_ handle: Handle, _ exchange: Handle, _ options: HeadOptions) -> Bool {
        if options.underscores != .allow, exchanges[exchange].dropUnderscores(), options.underscores == .reject {
            return refuseHead(exchange, 400, "http1.unexpected_underscore")
        }
        switch options.scheme {
        case .asReceived: break
        case .http: exchanges[exchange].request.scheme = .http
        case .https: exchanges[exchange].request.scheme = .https
        }
        if exchanges[exchange].request.knownMethod != .connect {
            let local = connections[handle].local.port
            if exchanges[exchange].stripHost(options, localPort: local) {
                exchanges[exchange].requestHead.isAbsoluteForm = true
            }
        }
        if !options.via.isEmpty { exchanges[exchange].appendVia(options.via) }
        guard options.escapedSlashes != .keep, exchanges[exchange].unescapeSlashes(options.escapedSlashes) else {
            return true
        }
        switch options.escapedSlashes {
        case .keep, .unescape: return true
        case .reject:
            exchanges[exchange].details = CodeDetails.pathNormalizationFailed
            reply(exchange, 400, "", [])
        case .redirect:
            exchanges[exchange].details = CodeDetails.pathNormalizationFailed
            scratch.removeAll(keepingCapacity: true)
            let path = exchanges[exchange].request.path
            exchanges[exchange].copy(path, to: &scratch)
            replyRedirect(exchange, 307)
        }
        return false
    }

    private mutating func refuseHead(_ exchange: Handle, _ status: UInt16, _ details: StaticString) -> Bool {
        exchanges[exchange].details = details
        exchanges[exchange].keepsAlive = false
        reply(exchange, status, Self.reason(status), .downstreamProtocolError)
        return false
    }

    /// `via` of responses.
    mutating func appendVia(_ exchange: Handle, _ manager: HTTPConnectionManager) {
        guard manager.hasHeadOptions, !manager.headOptions.via.isEmpty else { return }
        exchanges[exchange].appendResponseVia(manager.headOptions.via)
    }
}

extension Exchange {
    /// Removes fields whose names hold underscores; true when there were some.
    fileprivate mutating func dropUnderscores() -> Bool {
        var found = false
        for index in 0..<request.count where !request[index].isRemoved {
            let name = request[index].name
            for offset in name.lowerBound..<name.upperBound where arena.storage[offset] == 0x5f {
                request.remove(at: index)
                found = true
                break
            }
        }
        return found
    }

    /// Takes port and trailing dot off the authority; true when it changed.
    fileprivate mutating func stripHost(_ options: HeadOptions, localPort: UInt16) -> Bool {
        let authority = request.authority
        var end = authority.upperBound
        var port = ByteRange.empty
        var index = end
        while index > authority.lowerBound, arena.storage[index - 1] &- 0x30 <= 9 { index -= 1 }
        if index > authority.lowerBound, index < end, arena.storage[index - 1] == 0x3a {
            port = ByteRange(start: index, length: end - index)
            end = index - 1
        }
        var keepsPort = !port.isEmpty
        switch options.strippedPort {
        case .none: break
        case .matching: if decimal(port) == Int(localPort) { keepsPort = false }
        }
        let dropsDot = options.stripsTrailingDot && end > authority.lowerBound && arena.storage[end - 1] == 0x2e
        guard dropsDot || !port.isEmpty && !keepsPort else { return false }
        var text = bytes(ByteRange(start: authority.lowerBound, length: end - authority.lowerBound))
        if dropsDot { text.removeLast() }
        if keepsPort { text += [0x3a] + bytes(port) }
        request.authority = append(&text)
        return true
    }

    fileprivate mutating func appendVia(_ via: [UInt8]) {
        let given = request.first(.via).map { bytes($0) + [0x2c, 0x20] } ?? []
        setRequestField(Array("via".utf8), given + via)
    }

    fileprivate mutating func appendResponseVia(_ via: [UInt8]) {
        let given = response.first(.via).map { bytes($0) + [0x2c, 0x20] } ?? []
        setResponseField("via", given + via)
    }

    /// Whether the path holds escaped slashes; they are unescaped, unless that is a reason to refuse.
    fileprivate mutating func unescapeSlashes(_ action: HeadOptions.EscapedSlashes) -> Bool {
        let path = request.path
        let end = HeadView(request, bytes: arena.storage).pathWithoutQuery.upperBound
        let plain = PathNormalizer.unescapeSlashes(
            arena.storage, ByteRange(start: path.lowerBound, length: end - path.lowerBound))
        guard var text = plain else { return false }
        if action == .reject { return true }
        text += bytes(ByteRange(start: end, length: request.path.upperBound - end))
        request.path = append(&text)
        return true
    }
}
