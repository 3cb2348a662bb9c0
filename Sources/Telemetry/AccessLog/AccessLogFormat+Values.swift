internal import HeaderBlock
internal import Memory

extension AccessLogFormat {
    /// Appends the value of a step; false, and nothing appended, when there is none.
    func writeValue(
        _ step: LogStep, _ record: borrowing RequestRecord, _ context: borrowing AccessLogContext,
        _ output: inout ByteBuffer
    ) -> Bool {
        switch step.command {
        case .startTime: return writeStart(step, record, &output)
        case .request, .requestWithoutQuery:
            guard let head = context.request else { return false }
            return writeHeader(step, head, &output)
        case .response:
            guard let head = context.response else { return false }
            return writeHeader(step, head, &output)
        case .trailer:
            guard let head = context.trailers else { return false }
            return writeHeader(step, head, &output)
        case .scheme:
            guard let head = context.request else { return false }
            return writeFixed(head.scheme == .https ? "https" : "http", step, &output)
        case .responseStatus:
            let status = record.headStatus > 0 ? record.headStatus : record.status
            return status > 0 ? writeNumber(Int(status), &output) : false
        case .requestProtocol:
            return record.kind == .http ? writeFixed(Self.name(record.version), step, &output) : false
        case .upstreamProtocol:
            guard record.kind == .http, record.upstreamRemote.family != .none else { return false }
            return writeFixed(Self.name(record.upstreamVersion), step, &output)
        case .responseCode: return writeNumber(Int(record.status), &output)
        case .responseFlags: return writeFlags(record.flags, long: false, step, &output)
        case .responseFlagsLong: return writeFlags(record.flags, long: true, step, &output)
        case .responseCodeDetails:
            let details = context.names.codeDetails
            let isOurs = record.kind != .tcp
            return details.isEmpty || !isOurs
                ? writeFixed(record.codeDetails, step, &output) : writeText(details, step, &output)
        case .connectionTerminationDetails:
            let details = context.names.codeDetails
            let isOurs = record.kind == .tcp
            return details.isEmpty || !isOurs
                ? writeFixed(record.terminationDetails, step, &output) : writeText(details, step, &output)
        case .bytesReceived: return writeNumber(Int(clamping: record.bytesReceived), &output)
        case .bytesSent: return writeNumber(Int(clamping: record.bytesSent), &output)
        case .requestHeaderBytes: return writeNumber(Int(clamping: record.requestHeaderBytes), &output)
        case .responseHeaderBytes: return writeNumber(Int(clamping: record.responseHeaderBytes), &output)
        case .duration: return writeDuration(record.elapsed(record.ended), &output)
        case .requestDuration: return writeDuration(record.elapsed(record.requestReceived), &output)
        case .requestTransmitDuration: return writeDuration(record.elapsed(record.lastUpstreamSent), &output)
        case .responseDuration: return writeDuration(record.elapsed(record.firstUpstreamReceived), &output)
        case .responseTransmitDuration:
            guard let first = record.elapsed(record.firstUpstreamReceived), let last = record.elapsed(record.ended),
                last >= first
            else { return false }
            return writeDuration(last - first, &output)
        case .upstreamRemote:
            if record.upstreamRemote.family == .unix {
                return step.part == .port ? false : writeText(context.names.upstreamPath, step, &output)
            }
            return writeAddress(record.upstreamRemote, step, &output)
        case .upstreamLocal: return writeAddress(record.upstreamLocal, step, &output)
        case .downstreamLocal: return writeAddress(record.downstreamLocal, step, &output)
        case .downstreamRemote: return writeAddress(record.downstreamRemote, step, &output)
        case .downstreamDirectRemote: return writeAddress(record.downstreamDirectRemote, step, &output)
        case .downstreamDirectLocal: return writeAddress(record.downstreamDirectLocal, step, &output)
        case .downstreamTLSVersion: return writeFixed(Self.tlsName(record.downstreamTLSVersion), step, &output)
        case .upstreamTLSVersion: return writeFixed(Self.tlsName(record.upstreamTLSVersion), step, &output)
        case .attemptCount: return writeNumber(Int(record.attempts), &output)
        case .connectionID: return writeNumber(Int(clamping: record.connectionID), &output)
        case .upstreamConnectionID:
            return record.upstreamConnectionID > 0
                ? writeNumber(Int(clamping: record.upstreamConnectionID), &output) : false
        case .grpcStatusNumber:
            return record.grpcStatus >= 0 ? writeNumber(Int(record.grpcStatus), &output) : false
        case .grpcStatus, .grpcStatusSnake: return writeGRPCStatus(record.grpcStatus, step, &output)
        default: return writeName(step, context, &output)
        }
    }

    /// The commands whose value is a name of the context.
    private func writeName(
        _ step: LogStep, _ context: borrowing AccessLogContext, _ output: inout ByteBuffer
    ) -> Bool {
        switch step.command {
        case .upstreamTransportFailureReason:
            writeText(context.names.upstreamTransportFailure, step, &output)
        case .upstreamCluster:
            writeText(
                context.names.clusterStatName.isEmpty ? context.names.cluster : context.names.clusterStatName, step,
                &output)
        case .upstreamClusterRaw: writeText(context.names.cluster, step, &output)
        case .routeName: writeText(context.names.route, step, &output)
        case .virtualHostName: writeText(context.names.virtualHost, step, &output)
        case .filterChainName: writeText(context.names.filterChain, step, &output)
        case .origin: writeText(context.names.origin, step, &output)
        case .dynamicMetadata:
            Int(step.first) < context.names.metadata.count
                ? writeText(context.names.metadata[Int(step.first)].span, step, &output) : false
        case .requestedServerName: writeText(context.tls.requestedServerName, step, &output)
        case .downstreamPeerURI: writeText(context.tls.downstreamPeerURI, step, &output)
        case .downstreamPeerSubject: writeText(context.tls.downstreamPeerSubject, step, &output)
        case .downstreamTLSCipher: writeText(context.tls.downstreamCipher, step, &output)
        case .upstreamPeerURI: writeText(context.tls.upstreamPeerURI, step, &output)
        case .upstreamTLSCipher: writeText(context.tls.upstreamCipher, step, &output)
        default: false
        }
    }

    private func writeHeader(_ step: LogStep, _ head: borrowing HeadView, _ output: inout ByteBuffer) -> Bool {
        let names = headers.span
        var found = head.first(names[Int(step.first)])
        if found == nil, step.second != .max { found = head.first(names[Int(step.second)]) }
        guard let range = found, !range.isEmpty else { return false }
        var value = head.bytes.extracting(range.lowerBound..<range.upperBound)
        if step.command == .requestWithoutQuery {
            var end = 0
            while end < value.count, value[end] != 0x3F { end &+= 1 }
            value = value.extracting(0..<end)
        }
        return writeText(value, step, &output)
    }

    private func writeText(_ text: borrowing Span<UInt8>, _ step: LogStep, _ output: inout ByteBuffer) -> Bool {
        guard !text.isEmpty else { return false }
        let shown = text.extracting(0..<min(text.count, Int(step.limit)))
        switch step.style {
        case .value:
            output.append(0x22)
            output.append(jsonEscaped: shown)
            output.append(0x22)
        case .fragment: output.append(jsonEscaped: shown)
        default: output.append(logged: shown)
        }
        return true
    }

    /// Appends text of our own, which needs no escaping; nothing for an empty one.
    @inline(__always)
    private func writeFixed(_ text: StaticString, _ step: LogStep, _ output: inout ByteBuffer) -> Bool {
        if text.utf8CodeUnitCount == 0 { return false }
        let quoted = step.style == .value
        if quoted { output.append(0x22) }
        output.append(text)
        if quoted { output.append(0x22) }
        return true
    }

    @inline(__always)
    private func writeNumber(_ number: Int, _ output: inout ByteBuffer) -> Bool {
        output.append(decimal: number)
        return true
    }

    /// Whole milliseconds, as Envoy.
    private func writeDuration(_ microseconds: UInt64?, _ output: inout ByteBuffer) -> Bool {
        guard let microseconds else { return false }
        return writeNumber(Int(clamping: microseconds / 1000), &output)
    }

    private func writeStart(_ step: LogStep, _ record: borrowing RequestRecord, _ output: inout ByteBuffer) -> Bool {
        let quoted = step.style == .value
        if quoted { output.append(0x22) }
        if step.first == .max {
            TimeFormat.writeDefault(record.startedWall, to: &output)
        } else {
            times.span[Int(step.first)].write(record.startedWall, to: &output)
        }
        if quoted { output.append(0x22) }
        return true
    }

    private func writeFlags(_ flags: ResponseFlags, long: Bool, _ step: LogStep, _ output: inout ByteBuffer) -> Bool {
        let quoted = step.style == .value
        if quoted { output.append(0x22) }
        if flags.isEmpty { output.append(0x2D) }
        var rest = flags.rawValue
        while rest != 0 {
            let bit = rest.trailingZeroBitCount
            output.append(long ? ResponseFlags.longName(bit: bit) : ResponseFlags.shortName(bit: bit))
            rest &= rest &- 1
            if rest != 0 { output.append(0x2C) }
        }
        if quoted { output.append(0x22) }
        return true
    }

    private func writeAddress(_ address: LoggedAddress, _ step: LogStep, _ output: inout ByteBuffer) -> Bool {
        guard address.family == .ipv4 || address.family == .ipv6 else { return false }
        if step.part == .port { return writeNumber(Int(address.port), &output) }
        let quoted = step.style == .value
        if quoted { output.append(0x22) }
        output.append(address, withPort: step.part == .whole)
        if quoted { output.append(0x22) }
        return true
    }

    private func writeGRPCStatus(_ status: Int16, _ step: LogStep, _ output: inout ByteBuffer) -> Bool {
        guard status >= 0 else { return false }
        let names = GRPCStatusName.names(status)
        if names.camel.utf8CodeUnitCount == 0 { return writeNumber(Int(status), &output) }
        return writeFixed(step.command == .grpcStatus ? names.camel : names.snake, step, &output)
    }

    private static func name(_ version: HTTPVersion) -> StaticString {
        switch version {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        case .http2: "HTTP/2"
        }
    }

    private static func tlsName(_ version: UInt16) -> StaticString {
        switch version {
        case 0x0304: "TLSv1.3"
        case 0x0303: "TLSv1.2"
        case 0x0302: "TLSv1.1"
        case 0x0301: "TLSv1"
        default: ""
        }
    }
}
