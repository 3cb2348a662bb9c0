import Foundation
import Testing

extension LiveTests {
    /// Other people's clients and servers, through a running proxy. A peer that is missing fails its test.
    @Suite(.serialized) struct PeerTests {
        private static let python = ProcessInfo.processInfo.environment["MARTLET_PYTHON"] ?? "python3"

        private func exampleService() throws -> (UInt16, ChildProcess) {
            let port = try freePort()
            let backend = try ChildProcess([
                LiveProxy.program, "example-service", "--address", "127.0.0.1", "--port", "\(port)", "--name",
                "backend",
            ])
            try LiveProxy.awaitPort(port, backend)
            return (port, backend)
        }

        private func folder() throws -> URL {
            let folder = FileManager.default.temporaryDirectory.appending(path: "http2-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder.appending(path: "www"), withIntermediateDirectories: true)
            return folder
        }

        // MARK: Clients

        @Test(arguments: [false, true])
        func curlGetsBackWhatItSends(upstreamHTTP2: Bool) throws {
            let (port, backend) = try exampleService()
            let proxy = try LiveProxy(to: port, upstreamHTTP2: upstreamHTTP2)
            let folder = try folder()
            defer { try? FileManager.default.removeItem(at: folder) }
            let sent = folder.appending(path: "sent")
            let received = folder.appending(path: "received").path
            let bytes = Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) })
            try bytes.write(to: sent)
            for version in ["--http2-prior-knowledge", "--http1.1"] {
                let output = try ChildProcess.run([
                    "curl", "-sS", version, "-o", received, "-w", "%{http_code} %{http_version}", "--data-binary",
                    "@\(sent.path)", "http://127.0.0.1:\(proxy.port)/echo",
                ])
                #expect(output == "200 \(version == "--http1.1" ? "1.1" : "2")")
                #expect(try Data(contentsOf: URL(fileURLWithPath: received)) == bytes)
            }
            let head = try ChildProcess.run([
                "curl", "-sS", "-I", "--http2-prior-knowledge", "http://127.0.0.1:\(proxy.port)/health",
            ])
            #expect(head.hasPrefix("HTTP/2 200"))
            withExtendedLifetime(backend) {}
        }

        @Test(arguments: [false, true])
        func nghttpWithPrioritiesAndPaddingIsServed(upstreamHTTP2: Bool) throws {
            let (port, backend) = try exampleService()
            let proxy = try LiveProxy(to: port, upstreamHTTP2: upstreamHTTP2)
            let output = try ChildProcess.run([
                "nghttp", "-v", "-n", "--padding=200", "--weight=5", "--window-bits=8", "-H", "x-tenant: blue", "-m",
                "30",
                "http://127.0.0.1:\(proxy.port)/health",
            ])
            #expect(output.components(separatedBy: ":status: 200").count == 31)
            #expect(!output.contains("RST_STREAM"))
            withExtendedLifetime(backend) {}
        }

        @Test(arguments: [false, true])
        func pythonH2GetsBackWhatItSends(upstreamHTTP2: Bool) throws {
            let (port, backend) = try exampleService()
            let proxy = try LiveProxy(to: port, upstreamHTTP2: upstreamHTTP2)
            let output = try ChildProcess.run(
                [Self.python, "\(LiveProxy.peers)/h2_client.py", "\(proxy.port)", "300"], within: 90)
            #expect(output.contains("bodies came back"))
            withExtendedLifetime(backend) {}
        }

        // MARK: WebSockets

        /// Ways that a WebSocket's bytes may take: from a client of one version, by one proxy or by two that speak HTTP/2 with
        /// each other, to a server of HTTP/1.1.
        @Test(arguments: ["http1", "http2"], [1, 2])
        func webSocketsCarryMessagesBothWays(client: String, proxies: Int) throws {
            let port = try freePort()
            let backend = try ChildProcess([Self.python, "\(LiveProxy.peers)/websocket_server.py", "\(port)"])
            try LiveProxy.awaitPort(port, backend)
            let last = try LiveProxy(to: port, upstreamHTTP2: false)
            let first = proxies == 1 ? nil : try LiveProxy(to: last.port, upstreamHTTP2: true)
            let output = try ChildProcess.run(
                [Self.python, "\(LiveProxy.peers)/websocket_client.py", "\((first ?? last).port)", client, "60"],
                within: 60)
            #expect(output.contains("all messages came back"), "\(output)")
            withExtendedLifetime((backend, last)) {}
        }

        // MARK: Sidecars

        @Test func messagesOfHTTP1ComeOutOfTheHopBetweenSidecarsAsTheyWentIn() throws {
            let port = try freePort()
            let plain = try SidecarPair(to: port, offering: ["http/1.1"])
            let streams = try SidecarPair(
                to: port, offering: ["martlet-h2", "istio-h2", "istio-http/1.1", "h2", "http/1.1"])
            let output = try ChildProcess.run(
                [Self.python, "\(LiveProxy.peers)/raw_exchanges.py", "\(port)", "\(plain.port)", "\(streams.port)"],
                within: 120)
            #expect(output.contains("exchanges are alike"), "\(output)")
            try LiveProxy.eventually("the log of both hops") {
                plain.serverLog.contains("HTTP/1.1 200") && streams.serverLog.contains("HTTP/2 200")
            }
            #expect(!plain.serverLog.contains("HTTP/2 "))
            #expect(!streams.serverLog.contains("HTTP/1."))
        }

        @Test func upgradesCrossTheHopBetweenSidecarsAsHTTP1() throws {
            let port = try freePort()
            let backend = try ChildProcess([Self.python, "\(LiveProxy.peers)/websocket_server.py", "\(port)"])
            try LiveProxy.awaitPort(port, backend)
            let sidecars = try SidecarPair(to: port, offering: ["martlet-h2", "h2", "http/1.1"])
            let output = try ChildProcess.run(
                [Self.python, "\(LiveProxy.peers)/websocket_client.py", "\(sidecars.port)", "http1", "20"], within: 60)
            #expect(output.contains("all messages came back"), "\(output)")
            try LiveProxy.eventually("the log of the hop") { sidecars.serverLog.contains("HTTP/1.1 101") }
            withExtendedLifetime(backend) {}
        }

        // MARK: gRPC

        @Test
        func aHundredThousandCallsOfAllFourKindsAreAnsweredRight() throws {
            let port = try freePort()
            let backend = try ChildProcess([Self.python, "\(LiveProxy.peers)/grpc_server.py", "\(port)"])
            try LiveProxy.awaitPort(port, backend)
            let proxy = try LiveProxy(to: port, upstreamHTTP2: true)
            let calls = ProcessInfo.processInfo.environment["MARTLET_GRPC_CALLS"] ?? "100000"
            let output = try ChildProcess.run(
                [Self.python, "\(LiveProxy.peers)/grpc_calls.py", "\(proxy.port)", calls], within: 400)
            #expect(output.contains("\(calls) calls, all answered as they should be"), "\(output)")
        }

        // MARK: Servers

        @Test
        func aHundredThousandRequestsOfH2loadReachNghttpd() throws {
            let folder = try folder()
            defer { try? FileManager.default.removeItem(at: folder) }
            try Data("hello from nghttpd\n".utf8).write(to: folder.appending(path: "www/hello"))
            let port = try freePort()
            let backend = try ChildProcess([
                "nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", folder.appending(path: "www").path, "\(port)",
            ])
            try LiveProxy.awaitPort(port, backend)
            let proxy = try LiveProxy(to: port, upstreamHTTP2: true)
            let output = try ChildProcess.run(
                ["h2load", "-n", "100000", "-c", "10", "-m", "50", "http://127.0.0.1:\(proxy.port)/hello"], within: 200)
            #expect(
                output.contains(
                    "100000 total, 100000 started, 100000 done, 100000 succeeded, 0 failed, 0 errored, 0 timeout"),
                "\(output)")
            #expect(output.contains("status codes: 100000 2xx"), "\(output)")
        }

        @Test(arguments: [false, true])
        func nginxServesBothVersions(upstreamHTTP2: Bool) throws {
            let folder = try folder()
            defer { try? FileManager.default.removeItem(at: folder) }
            let bytes = Data((0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 11) })
            try bytes.write(to: folder.appending(path: "www/big"))
            let ports = [try freePort(), try freePort()]
            let text = try String(contentsOfFile: "\(LiveProxy.peers)/nginx.conf", encoding: .utf8)
                .replacing("FOLDER", with: folder.path).replacing("PORT1", with: "\(ports[0])")
                .replacing("PORT2", with: "\(ports[1])")
            let file = folder.appending(path: "nginx.conf")
            try Data(text.utf8).write(to: file)
            // Workers of nginx that runs as root are another user.
            try ChildProcess.run(["chmod", "-R", "a+rX", folder.path])
            let backend = try ChildProcess(["nginx", "-p", folder.path, "-c", file.path])
            let port = ports[upstreamHTTP2 ? 1 : 0]
            try LiveProxy.awaitPort(port, backend)
            let proxy = try LiveProxy(to: port, upstreamHTTP2: upstreamHTTP2)
            let output = try ChildProcess.run(
                ["h2load", "-n", "10000", "-c", "4", "-m", "20", "http://127.0.0.1:\(proxy.port)/hello"], within: 100)
            #expect(output.contains("10000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(output)")
            let received = folder.appending(path: "received")
            try ChildProcess.run([
                "curl", "-sS", "--http2-prior-knowledge", "-o", received.path, "http://127.0.0.1:\(proxy.port)/big",
            ])
            #expect(try Data(contentsOf: received) == bytes)
        }
    }
}
