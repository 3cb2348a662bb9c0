internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// What is particular to gRPC requests: how the proxy's own answers look to them.
extension Worker where Wire: ~Copyable {
    /// How the request's payload goes to an HTTP/1.1 endpoint when it does not go as it came.
    mutating func chooseRequestRelay(_ exchange: Handle) {
        if exchanges[exchange].upgrade != .none || exchanges[exchange].requestHasLength {
            exchanges[exchange].requestRelay = .bare
        } else if exchanges[exchange].request.first(.transferEncoding) != nil {
            exchanges[exchange].requestRelay = .chunked
        } else if !hasNoRequestBody(exchange) {
            exchanges[exchange].requestRelay = .chunked
            exchanges[exchange].addField(.transferEncoding, "chunked")
        } else {
            exchanges[exchange].requestRelay = .bare
            switch exchanges[exchange].request.knownMethod {
            case .get, .head, .delete, .connect, .trace: break
            case .post, .put, .patch, .options, .other:
                // A request that began as one of HTTP/1.1 had no length either.
                let downstream = exchanges[exchange].downstream
                if exchanges[exchange].downstreamStream != 0, !connections[downstream].restoresSpelling {
                    exchanges[exchange].addField(.contentLength, "0")
                }
            }
        }
    }
}

extension Exchange {
    mutating func noteGRPC() { isGRPC = RequestKind.isGRPC(HeadView(request, bytes: arena.storage)) }
}
