import NIOCore
import NIOHTTP1
import NIOPosix

/// Keep-alive connections of one event loop to the upstreams.
final class UpstreamPool {
    private struct Key: Hashable {
        var host: String
        var port: Int
    }

    private let eventLoop: any EventLoop
    private let timeout: TimeAmount
    private var idle: [Key: [UpstreamConnection]] = [:]

    init(eventLoop: any EventLoop, timeout: Duration) {
        self.eventLoop = eventLoop
        self.timeout = TimeAmount(timeout)
    }

    /// Sends a request without a body. A request that fails on a reused connection before any answer is sent once more on a new
    /// one: the peer may have closed the idle connection at that moment.
    func send(_ head: HTTPRequestHead, host: String, port: Int) -> EventLoopFuture<UpstreamResponse> {
        let key = Key(host: host, port: port)
        guard let connection = takeIdle(key) else { return sendOnNewConnection(head, key: key) }
        return send(head, on: connection).assumeIsolated().flatMapError { error in
            guard (error as? ServiceError) != .upstreamTimeout, !connection.answerBegan else {
                return self.eventLoop.makeFailedFuture(error)
            }
            return self.sendOnNewConnection(head, key: key)
        }.nonisolated()
    }

    private func takeIdle(_ key: Key) -> UpstreamConnection? {
        while let connection = idle[key]?.popLast() {
            if connection.isOpen { return connection }
        }
        return nil
    }

    private func sendOnNewConnection(_ head: HTTPRequestHead, key: Key) -> EventLoopFuture<UpstreamResponse> {
        connect(key).assumeIsolated().flatMap { connection in self.send(head, on: connection.value) }.nonisolated()
    }

    private func send(_ head: HTTPRequestHead, on connection: UpstreamConnection) -> EventLoopFuture<UpstreamResponse> {
        let promise = eventLoop.makePromise(of: UpstreamResponse.self)
        let timer = eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            connection.fail(ServiceError.upstreamTimeout)
        }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        connection.send(head, promise: promise)
        return promise.futureResult
    }

    private func connect(_ key: Key) -> EventLoopFuture<NIOLoopBound<UpstreamConnection>> {
        let loop = eventLoop
        return ClientBootstrap(group: loop)
            .connectTimeout(min(timeout, .seconds(5)))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(UpstreamConnection())
                }
            }
            .connect(host: key.host, port: key.port)
            .assumeIsolated()
            .flatMapThrowing { channel in
                let connection = try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
                connection.whenIdle = { [unowned self] connection in self.keep(connection, key: key) }
                connection.whenClosed = { [weak self] connection in
                    self?.idle[key]?.removeAll { $0 === connection }
                }
                return NIOLoopBound(connection, eventLoop: loop)
            }.nonisolated()
    }

    private func keep(_ connection: UpstreamConnection, key: Key) {
        guard idle[key, default: []].count < Limits.idleConnectionsPerUpstream else { return connection.close() }
        idle[key, default: []].append(connection)
    }
}
