import NIOCore
import NIOHTTP1
import NIOHTTP2

/// Tells HTTP/2 with prior knowledge (RFC 9113 section 3.3) from HTTP/1.1 by the first bytes of a connection, adds the
/// handlers of that protocol, and goes.
final class PrefaceSniffer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let state: ServiceState
    private var held = ByteBuffer()

    init(state: ServiceState) { self.state = state }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        held.writeBuffer(&part)
        let seen = held.readableBytesView.prefix(Self.preface.count)
        guard seen.elementsEqual(Self.preface.prefix(seen.count)) else { return configure(context, isHTTP2: false) }
        if seen.count == Self.preface.count { configure(context, isHTTP2: true) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func configure(_ context: ChannelHandlerContext, isHTTP2: Bool) {
        let peer = context.remoteAddress?.ipAddress ?? ""
        do {
            if isHTTP2 { try addHTTP2(context, peer: peer) } else { try addHTTP1(context, peer: peer) }
        } catch {
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(wrapInboundOut(held))
        context.fireChannelReadComplete()
        held = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func addHTTP1(_ context: ChannelHandlerContext, peer: String) throws {
        let pipeline = context.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(position: .last)
        try pipeline.addHandler(RequestHandler(state: state, transport: "HTTP/1.1", peer: peer))
    }

    private func addHTTP2(_ context: ChannelHandlerContext, peer: String) throws {
        let state = state
        let manager = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: context.eventLoop,
            configuration: .init(maxIdleTime: nil, maxAge: nil, maxGraceTime: .seconds(30), keepalive: nil)
        )
        _ = try context.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .server,
            connectionConfiguration: .init(),
            streamConfiguration: .init(),
            streamDelegate: manager.http2StreamDelegate
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
                try stream.pipeline.syncOperations.addHandler(
                    RequestHandler(state: state, transport: "HTTP/2", peer: peer)
                )
            }
        }
        try context.pipeline.syncOperations.addHandler(manager)
    }
}
