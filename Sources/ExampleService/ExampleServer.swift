import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A running example service.
package final class ExampleServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let connections: ConnectionSet
    private let grace: Duration

    /// The address that is bound; its port is the system's choice when the options say 0.
    package var localAddress: String { listener.localAddress.map(String.init(describing:)) ?? "" }
    package var port: Int { listener.localAddress?.port ?? 0 }

    private init(group: MultiThreadedEventLoopGroup, listener: any Channel, connections: ConnectionSet, grace: Duration)
    {
        self.group = group
        self.listener = listener
        self.connections = connections
        self.grace = grace
    }

    /// Binds and serves. Fails when the address cannot be bound.
    package static func start(_ options: ServiceOptions) async throws -> ExampleServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, options.threads))
        let state = ServiceState(options: options, eventLoops: Array(group.makeIterator()))
        let connections = ConnectionSet()
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 4096)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.maxMessagesPerRead, value: 4)
                .childChannelInitializer { channel in
                    connections.insert(channel)
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(PrefaceSniffer(state: state))
                    }
                }
                .bind(host: options.address, port: options.port)
                .get()
            return ExampleServer(group: group, listener: listener, connections: connections, grace: options.grace)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
    }

    /// Stops accepting, lets open requests end within the grace period, closes what is left.
    package func stop() async throws {
        try? await listener.close()
        connections.quiesce()
        let deadline = ContinuousClock.now + grace
        while !connections.isEmpty, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
        }
        try await group.shutdownGracefully()
    }
}

/// The accepted connections that are open.
private final class ConnectionSet: Sendable {
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

    var isEmpty: Bool { channels.withLockedValue { $0.isEmpty } }

    func insert(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLockedValue { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLockedValue { $0[id] = nil } }
    }

    /// Asks every connection to close after what it is doing.
    func quiesce() {
        for channel in channels.withLockedValue({ Array($0.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }
}
