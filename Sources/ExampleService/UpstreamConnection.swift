import NIOCore
import NIOHTTP1

/// An upstream's whole answer.
struct UpstreamResponse {
    var head: HTTPResponseHead
    var body: ByteBuffer
}

/// One keep-alive client connection: one request at a time. Lives on one event loop.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// Called when the connection may carry another request, and when it is gone.
    var whenIdle: ((UpstreamConnection) -> Void)?
    var whenClosed: ((UpstreamConnection) -> Void)?
    private(set) var isOpen = true
    /// Whether a byte of the current answer has come: from then on the request must not be sent again.
    private(set) var answerBegan = false

    private var context: ChannelHandlerContext?
    private var promise: EventLoopPromise<UpstreamResponse>?
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func send(_ head: HTTPRequestHead, promise: EventLoopPromise<UpstreamResponse>) {
        guard let context, isOpen else {
            promise.fail(ServiceError.upstreamClosed)
            return
        }
        self.promise = promise
        self.head = nil
        answerBegan = false
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func close() {
        isOpen = false
        context?.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        answerBegan = true
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = ByteBuffer()
        case .body(let part):
            guard body.readableBytes + part.readableBytes <= Limits.upstreamAnswerBytes else {
                fail(ServiceError.upstreamAnswerTooLarge)
                return
            }
            body.writeImmutableBuffer(part)
        case .end:
            guard let head, let promise else { return close() }
            self.promise = nil
            if head.isKeepAlive, isOpen { whenIdle?(self) } else { close() }
            promise.succeed(UpstreamResponse(head: head, body: body))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(ServiceError.upstreamClosed)
        whenClosed?(self)
        whenIdle = nil
        whenClosed = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(error) }

    func fail(_ error: any Error) {
        close()
        promise?.fail(error)
        promise = nil
    }
}
