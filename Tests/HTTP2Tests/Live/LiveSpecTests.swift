import Testing

/// What needs a running proxy, one after the other: their peers are busy enough, and what is measured is patience.
@Suite(.serialized, .enabled(if: LiveProxy.isEnabled)) struct LiveTests {
    /// The cases of h2spec over a socket, against a running proxy.
    @Suite(.serialized) struct LiveSpecTests {
        @Suite(.proxy(upstreamHTTP2: false), .serialized) struct InFrontOfHTTP1 {
            @Test(arguments: SpecCases.all)
            func theProxyReactsAsTheSpecificationSays(spec: SpecCase) throws { try run(spec) }
        }

        @Suite(.proxy(upstreamHTTP2: true), .serialized) struct InFrontOfHTTP2 {
            @Test(arguments: SpecCases.all)
            func theProxyReactsAsTheSpecificationSays(spec: SpecCase) throws { try run(spec) }
        }
    }
}

private func run(_ spec: SpecCase) throws {
    let connection = try LiveConnection(port: LiveScope.port)
    if spec.handshake {
        connection.send(Wire.preface + Wire.settings())
        try #require(connection.wait { $0.frames.contains { $0.type == 4 && $0.flags & 1 == 1 } }, "no handshake")
        connection.send(Wire.settings(ack: true))
        connection.clear()
    }
    for step in spec.steps {
        switch step {
        case .send(let bytes):
            connection.send(bytes)
            continue
        case .awaitEnd(let stream):
            let ended = connection.wait {
                $0.frames.contains { $0.stream == stream && $0.type <= 1 && $0.flags & 1 == 1 }
            }
            try #require(ended, "the response does not end: \(connection.frames)")
        case .awaitData(let stream):
            let came = connection.wait { $0.frames.contains { $0.stream == stream && $0.type == 0 } }
            try #require(came, "no data: \(connection.frames)")
        case .awaitSettingsAcknowledged:
            let came = connection.wait { $0.frames.contains { $0.type == 4 && $0.flags == 1 } }
            try #require(came, "no acknowledgement: \(connection.frames)")
        }
        connection.clear()
    }
    // Bytes that begin no HTTP/2 are a matter for HTTP/1.1, which refuses them: GOAWAY may be left out (section 3.4).
    let reactions = spec.startsWithoutPreface ? spec.reactions + [.closed] : spec.reactions
    let isMet = connection.wait { connection in
        reactions.contains { $0.isMet(connection.frames, isClosed: connection.isClosed) }
    }
    #expect(isMet, "\(reactions), but \(connection.frames), closed \(connection.isClosed)")
}
