import NIOCore

/// What all connections of one service share.
final class ServiceState: Sendable {
    let options: ServiceOptions
    let propagated: PropagatedHeaders
    let attempts = AttemptCounter()
    /// One pool per event loop, found by the loop's identity.
    private let pools: [ObjectIdentifier: NIOLoopBoundBox<UpstreamPool>]

    init(options: ServiceOptions, eventLoops: [any EventLoop]) {
        self.options = options
        propagated = PropagatedHeaders(further: options.propagatedHeaders)
        var pools: [ObjectIdentifier: NIOLoopBoundBox<UpstreamPool>] = [:]
        for loop in eventLoops {
            pools[ObjectIdentifier(loop)] = NIOLoopBoundBox.makeBoxSendingValue(
                UpstreamPool(eventLoop: loop, timeout: options.upstreamTimeout),
                eventLoop: loop
            )
        }
        self.pools = pools
    }

    /// The pool of `eventLoop`, to be called on that loop.
    func pool(on eventLoop: any EventLoop) -> UpstreamPool? { pools[ObjectIdentifier(eventLoop)]?.value }
}
