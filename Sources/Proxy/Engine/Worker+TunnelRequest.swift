internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Telemetry

/// TCP through another proxy (`tunneling_config`): the endpoint is asked with CONNECT over HTTP/1.1 to connect further, and
/// bytes move when it has agreed.
extension Worker where Wire: ~Copyable {
    /// The request that opens the tunnel of a downstream connection; nil when its bytes go to the endpoint as they are.
    func tunnelRequest(_ handle: Handle) -> [UInt8]? {
        generations[connections[handle].generation].chains[connections[handle].chain].tcp?.tunnelRequest
    }

    /// The endpoint is connected: asks it for the tunnel. It has as long as it had to be connected to.
    mutating func requestTunnel(_ upstream: Handle, _ request: [UInt8]) {
        connections[upstream].phase = .requesting
        connections[upstream].canRead = true
        let downstream = connections[upstream].peer
        let cluster = connections[downstream].tunnelCluster
        let timeout = generations[connections[downstream].generation].clusters[cluster].connectTimeoutMilliseconds
        if timeout > 0 { setDeadline(upstream, now &+ timeout) }
        buffers.lend(&connections[upstream].output)
        connections[upstream].output.append(request.span)
        advanceTunnelRequest(upstream)
    }

    /// Sends what is left of the request, and reads the answer as far as it is there.
    mutating func advanceTunnelRequest(_ upstream: Handle) {
        guard connections.contains(connections[upstream].peer) else { return close(upstream) }
        if flush(upstream) == .failed { return tunnelConnectFailed(upstream) }
        while true {
            var table = HeaderTable()
            switch connections[upstream].parseTunnelAnswer(&table) {
            case .complete(let head):
                connections[upstream].input.consume(head.length)
                switch table.status {
                case 100..<200 where table.status != 101: continue
                case 200..<300:
                    connections[upstream].deadline = .max
                    return tunnelOpened(upstream)
                default: return tunnelConnectFailed(upstream)
                }
            case .invalid: return tunnelConnectFailed(upstream)
            case .incomplete: break
            }
            switch fill(upstream) {
            case .bytes: continue
            case .blocked: return
            case .full, .end, .failed: return tunnelConnectFailed(upstream)
            }
        }
    }
}

extension Connection {
    fileprivate func parseTunnelAnswer(_ table: inout HeaderTable) -> HeadResult {
        if input.isEmpty { return .incomplete }
        // What follows a head that agrees belongs to the other side, as after HEAD.
        return ResponseParser.parse(input.storage, from: input.start, isHead: true, limits: Limits(), into: &table)
    }
}
