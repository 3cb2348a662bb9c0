import HTTP2
import Testing

/// The cases of h2spec against the codec: what exactly it answers.
@Suite struct SpecTests {
    @Test(arguments: SpecCases.all)
    func theCodecReactsAsTheSpecificationSays(spec: SpecCase) throws {
        let server = CodecServer()
        if spec.handshake {
            server.receive(Wire.preface + Wire.settings() + Wire.settings(ack: true))
            server.clear()
        }
        for step in spec.steps {
            switch step {
            case .send(let bytes): server.receive(bytes)
            case .awaitEnd(let stream):
                #expect(server.frames.contains { $0.stream == stream && $0.flags & 1 == 1 && $0.type <= 1 })
                server.clear()
            case .awaitData(let stream):
                #expect(server.frames.contains { $0.stream == stream && $0.type == 0 })
                server.clear()
            case .awaitSettingsAcknowledged:
                #expect(server.frames.contains { $0.type == 4 && $0.flags == 1 })
                server.clear()
            }
        }
        let isMet = spec.reactions.first { $0.isMet(server.frames, isClosed: server.hasFailed) }
        let reaction = try #require(isMet ?? spec.reactions.first)
        expect(reaction, server.frames, hasFailed: server.hasFailed)
    }

    private func expect(_ reaction: Reaction, _ frames: [Frame], hasFailed: Bool) {
        let goAway = frames.first { $0.type == 7 }
        let reset = frames.first { $0.type == 3 }
        switch reaction {
        case .goAway(let code):
            #expect(goAway?.number(4) == code)
            #expect(frames.last?.type == 7)
            #expect(hasFailed)
            return
        case .reset(let stream, let code):
            #expect(reset?.stream == stream)
            #expect(reset?.number(0) == code)
        case .response(let stream):
            #expect(frames.contains { $0.type == 1 && $0.stream == stream && $0.payload.first == 0x88 })
            #expect(reset == nil)
        case .data(let stream, let length):
            #expect(frames.first { $0.type == 0 && $0.stream == stream }?.payload.count == length)
            #expect(reset == nil)
        case .pong(let data):
            #expect(frames.contains { $0.type == 6 && $0.flags == 1 && $0.payload == data })
            #expect(reset == nil)
        case .settingsAcknowledged: #expect(frames.contains { $0.type == 4 && $0.flags == 1 })
        case .settings: #expect(frames.first?.type == 4 && frames.first?.flags == 0)
        case .closed: #expect(hasFailed)
        }
        #expect(goAway == nil)
        #expect(!hasFailed)
    }

    @Test func theListIsComplete() {
        let names = SpecCases.all.map(\.name)
        #expect(Set(names).count == names.count)
        // h2spec 2.6: 147 cases.
        #expect(names.count == 147)
    }
}
