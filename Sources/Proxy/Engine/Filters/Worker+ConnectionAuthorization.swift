internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import TLS
internal import Telemetry

/// envoy.filters.network.ext_authz: a connection waits, unread, until a service has said whether it may go on.
extension Worker where Wire: ~Copyable {
    mutating func askAboutConnection(_ handle: Handle, _ service: ConnectionAuthorization) {
        connections[handle].phase = .asking
        let question = openInternal(
            of: handle, generation: connections[handle].generation, chain: connections[handle].chain)
        let check = connectionCheck(handle)
        Exchange.writeCall(
            to: &connections[question].input, service.service, timeoutMilliseconds: service.timeoutMilliseconds, check)
        connections[handle].question = question
        let isSent = launchInternal(
            question, .connectionAuthorization, for: handle, cluster: Int(service.cluster.index),
            timeoutMilliseconds: service.timeoutMilliseconds)
        if isSent || connections[handle].answer != nil { return }
        connections[handle].question = .none
        connections[handle].answer = .failed
        answeredConnections.append(handle)
    }

    /// The service has answered, or failed to: called while its exchange is being freed.
    mutating func takeConnectionAnswer(_ answer: Handle, for handle: Handle) {
        let question = exchanges[answer].downstream
        guard connections.contains(handle), connections[handle].question == question else { return }
        connections[handle].question = .none
        connections[handle].answer = .failed
        if exchanges[answer].responseState == .complete, !exchanges[answer].isLocalReply,
            connections.contains(question)
        {
            let body = connections[question].output.answerBody
            connections[handle].answer = exchanges[answer].callVerdict(body).outcome
        }
        // Not from here: the exchange that answered is half gone.
        answeredConnections.append(handle)
    }

    /// Lets the connection go on, or closes it.
    mutating func resumeChain(_ handle: Handle) {
        guard connections[handle].phase == .asking, let answer = connections[handle].answer else { return }
        connections[handle].answer = nil
        let chain = generations[connections[handle].generation].chains[connections[handle].chain]
        let index = connections[handle].networkFilter &- 1
        guard index < chain.descriptor.networkFilters.count,
            case .externalAuthorization(let service) = chain.descriptor.networkFilters[index]
        else { return close(handle) }
        if answer == .approved || answer == .failed && service.allowsFailures { return runNetworkFilters(handle) }
        metrics.listeners[listenerStatistics(handle)].deniedConnections &+= 1
        if chain.tcp != nil {
            let details = answer == .denied ? "ext_authz_denied" : "ext_authz_error"
            recordTunnel(handle, .unauthorized, denial: (details, ""))
        }
        // Bytes that nobody has read would make the kernel send a reset in the place of an end.
        if connections[handle].canRead { _ = fill(handle) }
        close(handle)
    }

    /// Nobody waits for the answer any more.
    mutating func dropQuestion(_ handle: Handle) {
        let question = connections[handle].question
        connections[handle].question = .none
        if connections.contains(question) { abandonDownstream(question) }
    }

    /// Nothing is read from a connection that waits; that it is gone is noticed, behind the bytes that came before.
    mutating func watchAsking(_ handle: Handle) {
        guard connections[handle].peerClosed else { return }
        while true {
            switch fill(handle) {
            case .bytes: continue
            // A client that only ends its side may wait for an answer.
            case .blocked, .full, .end: return
            case .failed:
                if generations[connections[handle].generation].chains[connections[handle].chain].tcp != nil {
                    recordTunnel(handle, [])
                }
                return close(handle)
            }
        }
    }

    /// envoy.service.auth.v3.CheckRequest about a connection.
    private mutating func connectionCheck(_ handle: Handle) -> [UInt8] {
        let source = connections[handle].remote
        let destination = connections[handle].local
        let principal = connections[handle].peerCertificate?.identity ?? []
        let own = connections[handle].session?.context.certificate?.identity ?? []
        var message = ProtobufWriter()
        message.message(1) { attributes in
            attributes.message(1) { $0.peer(source, principal) }
            attributes.message(2) { $0.peer(destination, own) }
        }
        return message.bytes
    }
}
