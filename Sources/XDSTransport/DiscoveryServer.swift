import GRPCCore
import GRPCNIOTransportHTTP2Posix
package import XDS

/// Decides what a connected proxy gets. The control plane implements it.
package protocol DiscoverySource: Sendable {
    /// Admits a proxy that opened a stream.
    /// - Parameter credentials: what it brought to prove who it is.
    /// - Returns: the proxy's resource sets, the current one first, then each newer one.
    /// - Throws: `DiscoveryRefusal` to refuse it.
    func connect(node: Envoy_Config_Core_V3_Node, credentials: PeerCredentials) async throws -> DiscoveryFeed

    /// Tells how far a proxy has come; called after each of its requests.
    func report(connection: Int, acknowledgedGeneration: Int, rejections: [DiscoverySession.Rejection]) async

    func disconnect(connection: Int) async
}

/// What an admitted stream is served from.
package struct DiscoveryFeed: Sendable {
    /// Identifies the connection to the source.
    package var connection: Int
    package var sets: AsyncStream<ResourceSet>

    package init(connection: Int, sets: AsyncStream<ResourceSet>) {
        self.connection = connection
        self.sets = sets
    }
}

/// Signs certificates. The control plane implements it.
package protocol CertificateSource: Sendable {
    /// - Returns: the chain, leaf first, and the token for the next time; nil where a certificate was the proof.
    /// - Throws: `DiscoveryRefusal` when the credentials or the request are not acceptable.
    func sign(
        csr: String, lifetimeSeconds: Int64, credentials: PeerCredentials
    ) async throws -> (chain: [String], nextToken: String?)
}

/// A refusal, as the peer will read it.
package enum DiscoveryRefusal: Error, Equatable, CustomStringConvertible {
    case unauthenticated(String)
    case invalid(String)

    package var description: String {
        switch self {
        case .unauthenticated(let reason), .invalid(let reason): reason
        }
    }

    var rpcError: RPCError {
        switch self {
        case .unauthenticated(let reason): RPCError(code: .unauthenticated, message: reason)
        case .invalid(let reason): RPCError(code: .invalidArgument, message: reason)
        }
    }
}

/// The control plane's gRPC door: aggregated discovery (both variants) and certificate signing.
package struct DiscoveryServer: Sendable {
    private let server: GRPCServer<HTTP2ServerTransport.Posix>

    /// How much unknown callers over TCP may send before they are known, in bytes.
    private static let largestRequestOverTCP = 16 << 20

    /// - Parameter security: TLS; nil is for Unix sockets and tests.
    package init(
        address: ServerAddress, security: SecureDoor? = nil, discovery: any DiscoverySource,
        certificates: (any CertificateSource)?
    ) {
        let transport = HTTP2ServerTransport.Posix(
            address: address.socketAddress,
            transportSecurity: .plaintext,
            config: .defaults {
                $0.rpc.maxRequestPayloadSize = Methods.largestMessage
                if let security {
                    $0.rpc.maxRequestPayloadSize = Self.largestRequestOverTCP
                    $0.connection.maxIdleTime = .seconds(60)
                    $0.channelDebuggingCallbacks.onAcceptTCPConnection = { security.install(on: $0) }
                }
                // Proxies keep one idle stream open for days; a keepalive finds the dead ones.
                $0.connection.keepalive.time = .seconds(30)
                $0.connection.keepalive.timeout = .seconds(10)
            }
        )
        var services: [any RegistrableRPCService] = [AggregatedDiscoveryService(source: discovery)]
        if let certificates { services.append(CertificateService(source: certificates)) }
        server = GRPCServer(transport: transport, services: services)
    }

    /// Serves until `stop()`; throws when the address cannot be bound.
    package func run() async throws {
        try await server.serve()
    }

    /// The port bound, for TCP addresses with port 0; waits until the server listens.
    package func port() async throws -> Int? {
        let address = try await server.listeningAddress
        return address?.ipv4?.port ?? address?.ipv6?.port
    }

    /// Stops accepting; running streams end as their sources finish.
    package func stop() {
        server.beginGracefulShutdown()
    }
}

private struct CertificateService: RegistrableRPCService {
    let source: any CertificateSource

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: Methods.createCertificate,
            deserializer: ProtobufDeserializer<Istio_V1_Auth_IstioCertificateRequest>(),
            serializer: ProtobufSerializer<Istio_V1_Auth_IstioCertificateResponse>()
        ) { request, context in
            let request = try await ServerRequest(stream: request)
            do {
                let signed = try await source.sign(
                    csr: request.message.csr,
                    lifetimeSeconds: request.message.validityDuration,
                    credentials: PeerCredentials(metadata: request.metadata, context: context)
                )
                var message = Istio_V1_Auth_IstioCertificateResponse()
                message.certChain = signed.chain
                let metadata: Metadata = signed.nextToken.map { [Methods.nextTokenKey: "\($0)"] } ?? [:]
                return StreamingServerResponse(single: ServerResponse(message: message, metadata: metadata))
            } catch let refusal as DiscoveryRefusal {
                throw refusal.rpcError
            }
        }
    }
}
