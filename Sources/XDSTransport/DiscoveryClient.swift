import GRPCCore
import GRPCNIOTransportHTTP2Posix
package import XDS

/// What a proxy calls: aggregated discovery in both variants, and certificate signing.
///
/// Each call opens its own connection and closes it when the call ends; reconnecting, with backoff and with the
/// versions already held, is the caller's business.
package struct DiscoveryClient: Sendable {
    package typealias DeltaRequest = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest
    package typealias DeltaResponse = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse
    package typealias StreamRequest = Envoy_Service_Discovery_V3_DiscoveryRequest
    package typealias StreamResponse = Envoy_Service_Discovery_V3_DiscoveryResponse

    package let address: ServerAddress
    private let security: ClientSecurity?

    /// - Parameter security: TLS; nil speaks in clear, as to a Unix socket.
    package init(address: ServerAddress, security: ClientSecurity? = nil) {
        self.address = address
        self.security = security
    }

    /// Runs one delta stream until the server ends it, `requests` finishes, a handler throws, or the task is cancelled.
    /// - Parameters:
    ///   - token: sent as bearer metadata (audience `xds`).
    ///   - requests: what to send; the stream stays open for responses as long as this does not finish.
    ///   - onResponse: called for each response, in order.
    /// - Throws: `RPCError` when the stream fails; `unavailable` when there is no server.
    package func delta(
        token: String?,
        requests: AsyncStream<DeltaRequest>,
        onResponse: @escaping @Sendable (DeltaResponse) async throws -> Void
    ) async throws {
        try await exchange(Methods.delta, token: token, requests: requests, onResponse: onResponse)
    }

    /// The same for the state-of-the-world variant.
    package func stateOfTheWorld(
        token: String?,
        requests: AsyncStream<StreamRequest>,
        onResponse: @escaping @Sendable (StreamResponse) async throws -> Void
    ) async throws {
        try await exchange(Methods.stream, token: token, requests: requests, onResponse: onResponse)
    }

    private func exchange<Request, Response>(
        _ method: MethodDescriptor,
        token: String?,
        requests: AsyncStream<Request>,
        onResponse: @escaping @Sendable (Response) async throws -> Void
    ) async throws where Request: WireMessage, Response: WireMessage {
        try await withClient { client in
            let request = StreamingClientRequest<Request>(metadata: BearerToken.metadata(token)) { writer in
                for await message in requests { try await writer.write(message) }
            }
            try await client.bidirectionalStreaming(
                request: request,
                descriptor: method,
                serializer: ProtobufSerializer<Request>(),
                deserializer: ProtobufDeserializer<Response>(),
                options: Self.options
            ) { response in
                for try await message in response.messages { try await onResponse(message) }
            }
        }
    }

    /// Asks the certificate authority to sign `csr` (PEM).
    /// - Parameters:
    ///   - lifetime: what the caller would like; the authority may give less. nil asks for its default.
    ///   - token: the one-time token (audience `ca`); nil where the handshake's certificate is the proof.
    /// - Returns: the chain (leaf first, root last) and the token for the next renewal.
    package func createCertificate(
        csr: String, lifetime: Duration? = nil, token: String?
    ) async throws -> (chain: [String], nextToken: String?) {
        try await withClient { client in
            var message = Istio_V1_Auth_IstioCertificateRequest()
            message.csr = csr
            message.validityDuration = lifetime?.components.seconds ?? 0
            return try await client.unary(
                request: ClientRequest(message: message, metadata: BearerToken.metadata(token)),
                descriptor: Methods.createCertificate,
                serializer: ProtobufSerializer<Istio_V1_Auth_IstioCertificateRequest>(),
                deserializer: ProtobufDeserializer<Istio_V1_Auth_IstioCertificateResponse>(),
                options: Self.options
            ) { response in
                let next = response.metadata[stringValues: Methods.nextTokenKey].first { _ in true }
                return (chain: try response.message.certChain, nextToken: next)
            }
        }
    }

    private static var options: CallOptions {
        var options = CallOptions.defaults
        options.waitForReady = false
        options.maxResponseMessageBytes = Methods.largestMessage
        options.maxRequestMessageBytes = Methods.largestMessage
        return options
    }

    private func withClient<Result: Sendable>(
        _ body: @Sendable @escaping (GRPCClient<HTTP2ClientTransport.Posix>) async throws -> Result
    ) async throws -> Result {
        let transport = try HTTP2ClientTransport.Posix(
            target: address.target, transportSecurity: try security?.transport() ?? .plaintext,
            config: .defaults { $0.http2.authority = security?.serverName })
        return try await withGRPCClient(transport: transport) { try await body($0) }
    }
}
