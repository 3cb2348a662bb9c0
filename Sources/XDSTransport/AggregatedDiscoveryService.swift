import GRPCCore
import SwiftProtobuf
import XDS

/// Binds discovery streams to sessions: the only place where the session's pure logic meets a connection.
struct AggregatedDiscoveryService: RegistrableRPCService {
    let source: any DiscoverySource

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: Methods.delta,
            deserializer: ProtobufDeserializer<DiscoveryClient.DeltaRequest>(),
            serializer: ProtobufSerializer<DiscoveryClient.DeltaResponse>()
        ) { request, context in
            let credentials = PeerCredentials(metadata: request.metadata, context: context)
            return StreamingServerResponse(metadata: [:]) { writer in
                try await serve(.delta, request: request, credentials: credentials, writer: writer)
                return [:]
            }
        }
        router.registerHandler(
            forMethod: Methods.stream,
            deserializer: ProtobufDeserializer<DiscoveryClient.StreamRequest>(),
            serializer: ProtobufSerializer<DiscoveryClient.StreamResponse>()
        ) { request, context in
            let credentials = PeerCredentials(metadata: request.metadata, context: context)
            return StreamingServerResponse(metadata: [:]) { writer in
                try await serve(.stateOfTheWorld, request: request, credentials: credentials, writer: writer)
                return [:]
            }
        }
    }

    private enum Event: Sendable {
        case request(DiscoverySession.Request)
        case set(ResourceSet)
        case peerClosed
        case sourceClosed
    }

    private func serve<Request: SessionRequest, Response: SessionResponse>(
        _ variant: DiscoverySession.Variant,
        request: StreamingServerRequest<Request>,
        credentials: PeerCredentials,
        writer: RPCWriter<Response>
    ) async throws {
        let (events, sink) = AsyncStream<Event>.makeStream()
        // The first message names the node; nothing is known about the peer before.
        let (nodes, nodeSink) = AsyncStream<Envoy_Config_Core_V3_Node>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer {
                    nodeSink.finish()
                    sink.yield(.peerClosed)
                }
                var isFirst = true
                for try await message in request.messages {
                    if isFirst {
                        nodeSink.yield(message.node)
                        nodeSink.finish()
                        isFirst = false
                    }
                    sink.yield(.request(message.sessionRequest))
                }
            }
            // Who never says who it is is not waited for.
            group.addTask {
                try? await Task.sleep(for: .seconds(30))
                nodeSink.finish()
            }
            defer { group.cancelAll() }
            guard let node = await nodes.first(where: { _ in true }) else { return }
            let feed: DiscoveryFeed
            do {
                feed = try await source.connect(node: node, credentials: credentials)
            } catch let refusal as DiscoveryRefusal {
                throw refusal.rpcError
            }
            group.addTask {
                for await set in feed.sets { sink.yield(.set(set)) }
                sink.yield(.sourceClosed)
            }
            do {
                try await run(DiscoverySession(variant: variant), feed: feed, events: events, writer: writer)
            } catch {
                await source.disconnect(connection: feed.connection)
                throw error
            }
            await source.disconnect(connection: feed.connection)
        }
    }

    private func run<Response: SessionResponse>(
        _ initial: DiscoverySession,
        feed: DiscoveryFeed,
        events: AsyncStream<Event>,
        writer: RPCWriter<Response>
    ) async throws {
        var session = initial
        // Requests that come before the first resource set wait for it, or they would be told that nothing exists.
        var isReady = false
        var early: [DiscoverySession.Request] = []
        for await event in events {
            var replies: [DiscoverySession.Reply] = []
            switch event {
            case .request(let request) where !isReady:
                early.append(request)
            case .request(let request):
                replies = session.receive(request)
            case .set(let set):
                replies = session.update(set)
                isReady = true
                for request in early { replies += session.receive(request) }
                early = []
            case .peerClosed:
                return
            case .sourceClosed:
                throw RPCError(code: .unavailable, message: "the control plane is stopping")
            }
            for reply in replies { try await writer.write(Response(reply)) }
            await source.report(
                connection: feed.connection,
                acknowledgedGeneration: session.acknowledgedGeneration,
                rejections: session.rejections.values.sorted { $0.type < $1.type }
            )
        }
    }
}

/// A request message that a session understands.
protocol SessionRequest: WireMessage {
    var node: Envoy_Config_Core_V3_Node { get }
    var sessionRequest: DiscoverySession.Request { get }
}

/// A response message made from a session's reply.
protocol SessionResponse: WireMessage {
    init(_ reply: DiscoverySession.Reply)
}

extension Envoy_Service_Discovery_V3_DeltaDiscoveryRequest: SessionRequest {
    var sessionRequest: DiscoverySession.Request {
        DiscoverySession.Request(
            type: typeURL,
            subscribe: resourceNamesSubscribe,
            unsubscribe: resourceNamesUnsubscribe,
            heldVersions: initialResourceVersions,
            nonce: responseNonce,
            error: hasErrorDetail ? errorDetail.message : nil
        )
    }
}

extension Envoy_Service_Discovery_V3_DiscoveryRequest: SessionRequest {
    var sessionRequest: DiscoverySession.Request {
        DiscoverySession.Request(
            type: typeURL,
            subscribe: resourceNames,
            nonce: responseNonce,
            error: hasErrorDetail ? errorDetail.message : nil
        )
    }
}

extension Envoy_Service_Discovery_V3_DeltaDiscoveryResponse: SessionResponse {
    init(_ reply: DiscoverySession.Reply) {
        self.init()
        typeURL = reply.type
        nonce = reply.nonce
        systemVersionInfo = "\(reply.generation)"
        removedResources = reply.removed
        resources = reply.resources.sorted { $0.key < $1.key }.map { name, resource in
            var wire = Envoy_Service_Discovery_V3_Resource()
            wire.name = name
            wire.version = resource.version
            wire.resource = resource.body
            return wire
        }
        controlPlane.identifier = "martlet"
    }
}

extension DiscoverySession.Reply {
    /// The reply of the delta variant as it goes over the wire.
    package func wireBytes() throws -> [UInt8] {
        try Envoy_Service_Discovery_V3_DeltaDiscoveryResponse(self).serializedBytes()
    }
}

extension Envoy_Service_Discovery_V3_DiscoveryResponse: SessionResponse {
    init(_ reply: DiscoverySession.Reply) {
        self.init()
        typeURL = reply.type
        nonce = reply.nonce
        versionInfo = "\(reply.generation)"
        resources = reply.resources.sorted { $0.key < $1.key }.map(\.value.body)
        controlPlane.identifier = "martlet"
    }
}
