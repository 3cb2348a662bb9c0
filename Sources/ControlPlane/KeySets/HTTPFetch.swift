import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One GET over HTTP/1.1, bounded in time and size: what fetching key sets needs and no more.
struct HTTPFetch: Sendable {
    /// Where a URL leads.
    struct Target: Sendable, Equatable {
        var isSecure: Bool
        var host: String
        var port: Int
        /// Path and query.
        var path: String

        init?(_ url: String) {
            let scheme = url.prefix { $0 != ":" }.lowercased()
            guard scheme == "https" || scheme == "http" else { return nil }
            let rest = url.dropFirst(scheme.count)
            guard rest.hasPrefix("://") else { return nil }
            let afterScheme = rest.dropFirst(3)
            var authority = afterScheme.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            let tail = afterScheme.dropFirst(authority.count).prefix { $0 != "#" }
            guard !authority.isEmpty, !authority.contains("@"), !url.contains(where: { $0.isWhitespace }) else {
                return nil
            }
            isSecure = scheme == "https"
            port = isSecure ? 443 : 80
            let isLiteral = authority.hasPrefix("[")
            if let colon = authority.lastIndex(of: ":"), !isLiteral || authority[colon...].contains("]") == false {
                guard let number = Int(authority[authority.index(after: colon)...]), (1...65535).contains(number) else {
                    return nil
                }
                port = number
                authority = authority[..<colon]
            }
            host = isLiteral ? String(authority.dropFirst().dropLast()) : authority.lowercased()
            path = tail.isEmpty ? "/" : tail.hasPrefix("/") ? String(tail) : "/" + tail
        }

        var authority: String {
            let name = host.contains(":") ? "[\(host)]" : host
            return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
        }
    }

    struct Answer: Sendable {
        var status: Int
        var location: String?
        var entityTag: String?
        var maxAgeSeconds: Int?
        var body: String
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// A PEM file with the authorities to believe, in the place of the system's.
    var authorities: String?
    var timeoutSeconds: Int64 = 5
    var maxBytes = 1 << 20

    /// - Parameters:
    ///   - address: where to connect to, when the host's name is the mesh's own; nil asks DNS.
    ///   - entityTag: the one of what is known already: unchanged content is answered with 304.
    func get(_ target: Target, at address: (host: String, port: Int)?, entityTag: String?) async throws -> Answer {
        let group = MultiThreadedEventLoopGroup.singleton
        let context = try target.isSecure ? tls() : nil
        let bootstrap = ClientBootstrap(group: group).connectTimeout(.seconds(timeoutSeconds))
        let channel = try await bootstrap.connect(
            host: address?.host ?? target.host, port: address?.port ?? target.port
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                if let context {
                    let isAddress = (try? SocketAddress(ipAddress: target.host, port: 1)) != nil
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : target.host))
                }
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                    wrappingChannelSynchronously: channel)
            }
        }
        let deadline = channel.channel.eventLoop.scheduleTask(in: .seconds(timeoutSeconds)) {
            channel.channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target.path)
            head.headers.add(name: "host", value: target.authority)
            head.headers.add(name: "accept", value: "application/json")
            head.headers.add(name: "user-agent", value: "martlet")
            head.headers.add(name: "connection", value: "close")
            if let entityTag { head.headers.add(name: "if-none-match", value: entityTag) }
            try await outbound.write(.head(head))
            try await outbound.write(.end(nil))
            return try await read(inbound)
        }
    }

    private func read(_ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>) async throws -> Answer {
        var answer: Answer?
        var body = ByteBuffer()
        for try await part in parts {
            switch part {
            case .head(let head):
                let directives = head.headers[canonicalForm: "cache-control"].map { $0.lowercased() }
                let age = directives.first { $0.hasPrefix("max-age=") }.flatMap { Int($0.dropFirst(8)) }
                answer = Answer(
                    status: Int(head.status.code), location: head.headers.first(name: "location"),
                    entityTag: head.headers.first(name: "etag"), maxAgeSeconds: age, body: "")
            case .body(let chunk):
                guard body.readableBytes + chunk.readableBytes <= maxBytes else {
                    throw Failure("answered more than \(maxBytes) bytes")
                }
                body.writeImmutableBuffer(chunk)
            case .end:
                answer?.body = String(buffer: body)
                if let answer { return answer }
            }
        }
        throw Failure(
            answer == nil
                ? "closed the connection, or did not answer within \(timeoutSeconds)s" : "ended before its answer did")
    }

    private func tls() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let authorities { configuration.trustRoots = .file(authorities) }
        return try NIOSSLContext(configuration: configuration)
    }
}
