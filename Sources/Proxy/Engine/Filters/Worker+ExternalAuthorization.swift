internal import Authorization
internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Routing
internal import TLS
internal import Telemetry

/// What an authorization service said.
struct ExternalVerdict {
    enum Outcome: UInt8 { case approved, denied, failed }

    var outcome = Outcome.failed
    var status: UInt16 = 403
    var body: [UInt8] = []
    /// Of the request (approved) or the answer (denied).
    var headers: [CheckAnswer.Header] = []
    var removals: [[UInt8]] = []
    /// Of the response to an approved request.
    var responseHeaders: [CheckAnswer.Header] = []
}

/// As much of a request's body as a service sees, and whether there is more.
typealias CollectedBody = (bytes: [UInt8], isPart: Bool)

/// envoy.filters.http.ext_authz: the question goes over the worker's own pools; the request waits meanwhile.
extension Worker where Wire: ~Copyable {
    mutating func authorizeExternally(
        _ exchange: Handle, _ service: ExternalAuthorization, _ route: RouteFilters.Entry?
    ) -> FilterStep {
        if let verdict = exchanges[exchange].filters.verdict {
            exchanges[exchange].filters.verdict = nil
            return carryOut(verdict, exchange, service)
        }
        if case .off(.externalAuthorization)? = route?.configuration { return .next }
        guard service.enabled.holds(transport.random()) else { return .next }
        if let condition = service.condition, !condition.holds(exchanges[exchange].filters.metadata) { return .next }
        var settings: ExternalAuthorization.RouteSettings?
        if case .checkSettings(let own)? = route?.configuration { settings = own }
        let rule = settings?.disablesBody == true ? nil : settings?.body ?? service.body
        if let rule, !collectBody(exchange, limit: rule.maximumBytes, allowsPartial: rule.allowsPartial) {
            guard exchanges.contains(exchange) else { return .answered }
            // The same filter again, with the body.
            exchanges[exchange].filters.next &-= 1
            return .waiting
        }
        let body = rule.map { exchanges[exchange].collected($0.maximumBytes, limits) }
        let handle = openInternal(for: exchange)
        switch service.service {
        case .http(let http):
            exchanges[exchange].writeCheck(to: &connections[handle].input, http, service, body)
        case .grpc(let grpc):
            let message = checkMessage(
                exchange, service, settings?.extensions ?? [], body, packsBytes: rule?.packsBytes ?? false)
            Exchange.writeCall(
                to: &connections[handle].input, grpc, timeoutMilliseconds: service.timeoutMilliseconds, message)
        }
        exchanges[exchange].filters.child = handle
        // The same filter again, with the answer.
        exchanges[exchange].filters.next &-= 1
        let isSent = launchInternal(
            handle, .authorization, for: exchange, cluster: Int(service.cluster.index),
            timeoutMilliseconds: service.timeoutMilliseconds)
        if !isSent {
            exchanges[exchange].filters.child = .none
            exchanges[exchange].filters.next &+= 1
            return carryOut(ExternalVerdict(), exchange, service)
        }
        return .waiting
    }

    /// The service has answered, or failed to: called while its exchange is being freed.
    mutating func takeAuthorizationAnswer(_ answer: Handle, for exchange: Handle) {
        let handle = exchanges[answer].downstream
        let isWhole = exchanges[answer].responseState == .complete && !exchanges[answer].isLocalReply
        exchanges[exchange].filters.child = .none
        var verdict = ExternalVerdict()
        if isWhole, connections.contains(handle), let service = waitingService(exchange) {
            let body = connections[handle].output.answerBody
            switch service.service {
            case .http(let http): verdict = exchanges[answer].verdict(http, body)
            case .grpc: verdict = exchanges[answer].callVerdict(body)
            }
        }
        exchanges[exchange].filters.verdict = verdict
        // Not from here: the exchange that answered is half gone.
        resumableFilters.append(exchange)
    }

    /// The filter that the exchange stands at.
    private func waitingService(_ exchange: Handle) -> ExternalAuthorization? {
        let manager = httpManager(exchange)
        let index = exchanges[exchange].filters.next
        guard index < manager.httpFilters.count, case .externalAuthorization(let service) = manager.httpFilters[index]
        else { return nil }
        return service
    }

    private mutating func carryOut(
        _ verdict: ExternalVerdict, _ exchange: Handle, _ service: ExternalAuthorization
    ) -> FilterStep {
        switch verdict.outcome {
        case .approved:
            for header in verdict.headers {
                exchanges[exchange].changeRequest(header.name, header.value, appends: header.appends)
            }
            for name in verdict.removals { exchanges[exchange].removeRequestField(name) }
            exchanges[exchange].filters.approvedHeaders = verdict.responseHeaders
            if service.clearsRoute, !verdict.headers.isEmpty || !verdict.removals.isEmpty {
                findRoute(exchange, httpManager(exchange))
            }
            return .next
        case .denied:
            exchanges[exchange].details = "ext_authz_denied"
            exchanges[exchange].flags.insert(.unauthorized)
            buffers.lend(&exchanges[exchange].arena)
            exchanges[exchange].response.reset()
            for header in verdict.headers { exchanges[exchange].addAnswerField(header) }
            replyKeepingFields(exchange, verdict.status, verdict.body)
            return .answered
        case .failed:
            if service.allowsFailures {
                if service.marksFailures {
                    exchanges[exchange].setRequestField(
                        Array("x-envoy-auth-failure-mode-allowed".utf8), Array("true".utf8))
                }
                return .next
            }
            exchanges[exchange].details = "ext_authz_error"
            reply(exchange, service.statusOnError, "", .unauthorized)
            return .answered
        }
    }

    /// Fields that an approval adds to the response.
    mutating func addApprovedHeaders(_ exchange: Handle) {
        for header in exchanges[exchange].filters.approvedHeaders {
            exchanges[exchange].changeResponse(header.name, header.value, appends: header.appends)
        }
    }

    // MARK: The gRPC question

    /// envoy.service.auth.v3.CheckRequest.
    private mutating func checkMessage(
        _ exchange: Handle, _ service: ExternalAuthorization, _ extensions: [(String, String)], _ body: CollectedBody?,
        packsBytes: Bool
    ) -> [UInt8] {
        let client = exchanges[exchange].downstream
        let source = connections[client].remote
        let destination = connections[client].local
        let principal = connections[client].peerCertificate?.identity ?? []
        let own = connections[client].session?.context.certificate?.identity ?? []
        let size = exchanges[exchange].request.first(.contentLength).flatMap { exchanges[exchange].decimal($0) }
        let http = exchanges[exchange].checkHTTP(service, size: size, body, packsBytes: packsBytes)
        let time = exchanges[exchange].startedWall
        var message = ProtobufWriter()
        message.message(1) { attributes in
            attributes.message(1) { $0.peer(source, principal) }
            attributes.message(2) { $0.peer(destination, own) }
            attributes.message(4) { request in
                request.message(1) { timestamp in
                    timestamp.number(1, time / 1_000_000)
                    timestamp.number(2, time % 1_000_000 * 1000)
                }
                request.string(2, http)
            }
            for (key, value) in extensions {
                attributes.message(10) { entry in
                    entry.string(1, Array(key.utf8))
                    entry.string(2, Array(value.utf8))
                }
            }
        }
        return message.bytes
    }
}

extension ProtobufWriter {
    /// envoy.service.auth.v3.AttributeContext.Peer.
    mutating func peer(_ address: SocketAddress, _ principal: [UInt8]) {
        if let ip = address.ip {
            message(1) { outer in
                outer.message(1) { socket in
                    socket.string(2, Array(ip.description.utf8))
                    socket.number(3, UInt64(address.port))
                }
            }
        }
        string(4, principal)
    }
}

extension ByteBuffer {
    /// What follows the head of the answer in a connection's output.
    var answerBody: [UInt8] {
        var index = start
        while index + 3 < end {
            if storage[index] == 13, storage[index + 1] == 10, storage[index + 2] == 13, storage[index + 3] == 10 {
                return ((index + 4)..<end).map { storage[$0] }
            }
            index += 1
        }
        return []
    }
}

extension Exchange {
    /// The question over plain HTTP: the client's request line, some of its fields, no body.
    fileprivate mutating func writeCheck(
        to output: inout ByteBuffer, _ http: ExternalAuthorization.HTTPService, _ service: ExternalAuthorization,
        _ body: CollectedBody?
    ) {
        output.append(from: arena, offset: request.method.lowerBound, count: request.method.count)
        output.append(0x20)
        output.append(Array(http.pathPrefix.utf8))
        output.append(from: arena, offset: request.path.lowerBound, count: request.path.count)
        output.append(" HTTP/1.1\r\nhost: ")
        output.append(from: arena, offset: request.authority.lowerBound, count: request.authority.count)
        output.append("\r\ncontent-length: ")
        output.append(decimal: body?.bytes.count ?? 0)
        output.append("\r\n")
        if let body, !body.bytes.isEmpty {
            output.append("x-envoy-auth-partial-body: ")
            output.append(body.isPart ? "true\r\n" : "false\r\n")
        }
        for index in 0..<request.count where !request[index].isRemoved {
            let field = request[index]
            switch field.id {
            case .host, .contentLength, .transferEncoding, .connection, .upgrade, .te: continue
            default: break
            }
            let isAllowed =
                field.id == .authorization || service.allowedHeaders.map { matches($0, field.name) } ?? false
            guard isAllowed, !(service.disallowedHeaders.map { matches($0, field.name) } ?? false) else { continue }
            // What the configuration says stands in the place of what the client says.
            if http.added.contains(where: { isNamed(field.name, $0.0) }) { continue }
            output.append(from: arena, offset: field.name.lowerBound, count: field.name.count)
            output.append(": ")
            output.append(from: arena, offset: field.value.lowerBound, count: field.value.count)
            output.append("\r\n")
        }
        for (name, value) in http.added {
            output.append(Array("\(name): \(value)\r\n".utf8))
        }
        output.append("\r\n")
        if let body { output.append(body.bytes) }
    }

    static func writeCall(
        to output: inout ByteBuffer, _ service: ExternalAuthorization.GRPCService, timeoutMilliseconds: UInt64,
        _ message: [UInt8]
    ) {
        output.append("POST /envoy.service.auth.v3.Authorization/Check HTTP/1.1\r\nhost: ")
        output.append(Array(service.authority.utf8))
        output.append("\r\ncontent-type: application/grpc\r\nte: trailers\r\n")
        if timeoutMilliseconds > 0, timeoutMilliseconds < 100_000_000 {
            output.append(Array("grpc-timeout: \(timeoutMilliseconds)m\r\n".utf8))
        }
        for (name, value) in service.metadata { output.append(Array("\(name): \(value)\r\n".utf8)) }
        output.append("content-length: ")
        output.append(decimal: message.count + 5)
        output.append("\r\n\r\n")
        output.append(0)
        for shift in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: message.count >> shift)) }
        output.append(message)
    }

    private func isNamed(_ range: ByteRange, _ name: String) -> Bool {
        guard range.count == name.utf8.count else { return false }
        return zip(range.lowerBound..<range.upperBound, name.utf8).allSatisfy {
            asciiLowercased(arena.storage[$0]) == asciiLowercased($1)
        }
    }

    private func matches(_ set: PatternSet, _ name: ByteRange) -> Bool {
        set.matches(arena.storage.extracting(name.lowerBound..<name.upperBound))
    }

    /// AttributeContext.HttpRequest.
    fileprivate func checkHTTP(
        _ service: ExternalAuthorization, size: Int?, _ body: CollectedBody?, packsBytes: Bool
    ) -> [UInt8] {
        var http = ProtobufWriter()
        http.string(1, bytes(requestID))
        http.string(2, bytes(request.method))
        var fields: [(name: [UInt8], value: [UInt8])] = [
            (Array(":authority".utf8), bytes(request.authority)), (Array(":method".utf8), bytes(request.method)),
            (Array(":path".utf8), bytes(request.path)),
            (Array(":scheme".utf8), Array((request.scheme == .https ? "https" : "http").utf8)),
        ]
        for index in 0..<request.count where !request[index].isRemoved && request[index].id != .host {
            let name = bytes(request[index].name).map(asciiLowercased)
            let value = bytes(request[index].value)
            if let known = fields.firstIndex(where: { $0.name == name }) {
                fields[known].value += [0x2c] + value
            } else {
                fields.append((name, value))
            }
        }
        for (name, value) in fields {
            if let allowed = service.allowedHeaders, !allowed.matches(name.span) { continue }
            if let disallowed = service.disallowedHeaders, disallowed.matches(name.span) { continue }
            http.message(3) { entry in
                entry.string(1, name)
                entry.string(2, value)
            }
        }
        if let body, !body.bytes.isEmpty {
            http.message(3) { entry in
                entry.string(1, Array("x-envoy-auth-partial-body".utf8))
                entry.string(2, Array((body.isPart ? "true" : "false").utf8))
            }
        }
        http.string(4, bytes(request.path))
        http.string(5, bytes(request.authority))
        http.string(6, Array((request.scheme == .https ? "https" : "http").utf8))
        // -1 says that the size is not known.
        http.number(9, UInt64(bitPattern: Int64(size ?? (requestHead.framing == .none ? 0 : -1))))
        http.string(10, Array((request.version == .http2 ? "HTTP/2" : "HTTP/1.1").utf8))
        if let body { http.string(packsBytes ? 12 : 11, body.bytes) }
        return http.bytes
    }

    /// What an answer over plain HTTP means.
    fileprivate func verdict(_ http: ExternalAuthorization.HTTPService, _ body: [UInt8]) -> ExternalVerdict {
        var verdict = ExternalVerdict()
        if status >= 500 { return verdict }
        verdict.outcome = status == 200 ? .approved : .denied
        verdict.status = status
        for index in 0..<response.count where !response[index].isRemoved {
            let field = response[index]
            var header = CheckAnswer.Header()
            header.name = bytes(field.name).map(asciiLowercased)
            header.value = bytes(field.value)
            if verdict.outcome == .approved {
                if http.upstreamHeaders?.matches(header.name.span) ?? false { verdict.headers.append(header) }
                if http.upstreamHeadersToAppend?.matches(header.name.span) ?? false {
                    header.appends = true
                    verdict.headers.append(header)
                }
                if http.clientHeadersOnSuccess?.matches(header.name.span) ?? false {
                    verdict.responseHeaders.append(header)
                }
            } else {
                switch field.id {
                case .contentLength, .transferEncoding, .connection, .keepAlive, .xEnvoyUpstreamServiceTime, .date,
                    .server:
                    continue
                case .location: break
                default:
                    let isChallenge = header.name == Array("www-authenticate".utf8)
                    guard isChallenge || http.clientHeaders.map({ $0.matches(header.name.span) }) ?? true else {
                        continue
                    }
                }
                verdict.headers.append(header)
            }
        }
        if verdict.outcome == .denied { verdict.body = body }
        return verdict
    }

    /// What an answer over gRPC means: one message, and a status behind it.
    func callVerdict(_ body: [UInt8]) -> ExternalVerdict {
        var verdict = ExternalVerdict()
        guard status == 200, receivedGRPCStatus == 0, body.count >= 5, body[0] == 0 else { return verdict }
        let length = body[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard body.count == length + 5, let answer = CheckAnswer(body[5...]) else { return verdict }
        verdict.outcome = answer.code == 0 ? .approved : .denied
        verdict.status = answer.status
        verdict.body = answer.body
        verdict.headers = answer.headers
        verdict.removals = answer.removals
        verdict.responseHeaders = answer.responseHeaders
        return verdict
    }

    /// Sets or appends a field that another service named; what no head may hold is left out.
    fileprivate mutating func changeRequest(_ name: [UInt8], _ value: [UInt8], appends: Bool) {
        guard Self.isField(name, value) else { return }
        Self.mutate(&request, &arena, appends ? .append : .overwriteOrAdd, name: name.span, value.span)
    }

    fileprivate mutating func changeResponse(_ name: [UInt8], _ value: [UInt8], appends: Bool) {
        guard Self.isField(name, value) else { return }
        Self.mutate(&response, &arena, appends ? .append : .overwriteOrAdd, name: name.span, value.span)
    }

    fileprivate mutating func addAnswerField(_ header: CheckAnswer.Header) {
        guard Self.isField(header.name, header.value) else { return }
        Self.mutate(&response, &arena, .append, name: header.name.span, header.value.span)
    }

    private static func isField(_ name: [UInt8], _ value: [UInt8]) -> Bool {
        guard !name.isEmpty, name[0] != 0x3a, name != Array("host".utf8), name != Array("content-length".utf8),
            name != Array("transfer-encoding".utf8)
        else { return false }
        return name.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a }
            && value.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }
}
