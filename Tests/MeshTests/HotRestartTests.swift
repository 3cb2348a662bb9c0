import Foundation
import Synchronization
import Testing

extension WholeMesh {
    /// A proxy is replaced by a new process under load, and no client notices.
    @Suite("Hot restart")
    struct HotRestartTests {
        private final class Proxy {
            private let process = Process()
            let log: URL

            init(_ folder: URL, _ number: Int, _ flags: [String]) throws {
                log = folder.appending(path: "proxy-\(number).log")
                _ = FileManager.default.createFile(atPath: log.path, contents: nil)
                process.executableURL = URL(fileURLWithPath: Mesh.program)
                process.arguments = ["proxy", "-c", folder.appending(path: "bootstrap.yaml").path] + flags
                process.standardError = try FileHandle(forWritingTo: log)
                process.standardOutput = process.standardError
                try process.run()
            }

            var text: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }
            var status: Int32? { process.isRunning ? nil : process.terminationStatus }

            func stop() {
                if process.isRunning { process.terminate() }
                process.waitUntilExit()
            }
        }

        private static func bootstrap(port: UInt16, admin: UInt16, body: String) -> String {
            """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            static_resources:
              listeners:
              - name: listener
                address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: http
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: http
                      route_config:
                        name: routes
                        virtual_hosts:
                        - name: all
                          domains: ["*"]
                          routes:
                          - match: {prefix: /}
                            direct_response: {status: 200, body: {inline_string: "\(body)"}}
                      http_filters:
                      - name: router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            """
        }

        /// Four clients that ask as fast as they are answered, each on a connection that it keeps while it may.
        private final class Clients: Sendable {
            struct Tally {
                var answers: [String: Int] = [:]
                var failures: [String] = []
            }

            private let isOver = Atomic(false)
            private let running = Atomic(4)
            let tally = Mutex(Tally())

            init(port: UInt16) {
                for _ in 0..<4 {
                    Thread.detachNewThread { [self] in
                        let connection = HTTPConnection(port: port)
                        while !isOver.load(ordering: .relaxed) {
                            do {
                                let answer = try connection.get("/", host: "proxy")
                                tally.withLock { $0.answers["\(answer.status) \(answer.text)", default: 0] += 1 }
                            } catch {
                                tally.withLock { $0.failures.append("\(error)") }
                            }
                        }
                        running.subtract(1, ordering: .relaxed)
                    }
                }
            }

            func answers(_ what: String) -> Int { tally.withLock { $0.answers[what] ?? 0 } }
            func stop() { isOver.store(true, ordering: .relaxed) }
            var isStopped: Bool { running.load(ordering: .relaxed) == 0 }
        }

        @Test func noRequestFailsWhenAProxyIsReplaced() async throws {
            let folder = FileManager.default.temporaryDirectory.appending(
                path: "restart-\(UInt32.random(in: 0...UInt32.max))")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let port = try Mesh.freePort()
            let admin = try Mesh.freePort()
            let flags = ["--hot-restart", folder.appending(path: "hot").path]
            func write(_ body: String) throws {
                try Self.bootstrap(port: port, admin: admin, body: body).write(
                    to: folder.appending(path: "bootstrap.yaml"), atomically: true, encoding: .utf8)
            }
            // Worker counts that differ: sockets of workers that the successor does not have are served all the same.
            let concurrency = ["2", "1", "3"]
            var proxies: [Proxy] = []
            defer { for proxy in proxies { proxy.stop() } }
            try write("process 0")
            proxies.append(try Proxy(folder, 0, flags + ["--concurrency", concurrency[0]]))
            try await eventually("the first process serves") {
                try HTTPConnection(port: port).get("/", host: "proxy").status == 200 ? true : nil
            }
            let clients = Clients(port: port)
            defer { clients.stop() }
            for number in 1..<3 {
                try await eventually("clients are served by process \(number - 1)") {
                    clients.answers("200 process \(number - 1)") > 200 ? true : nil
                }
                try write("process \(number)")
                proxies.append(try Proxy(folder, number, flags + ["--concurrency", concurrency[number]]))
                try await eventually("process \(number - 1) ends, its clients served") { proxies[number - 1].status }
                #expect(proxies[number - 1].status == 0, "\(proxies[number - 1].text)")
            }
            try await eventually("clients are served by the last process") {
                clients.answers("200 process 2") > 200 ? true : nil
            }
            clients.stop()
            try await eventually("the clients stop") { clients.isStopped ? true : nil }
            let tally = clients.tally.withLock { $0 }
            #expect(tally.failures == [], "\(proxies.map(\.text).joined(separator: "---\n"))")
            #expect(Set(tally.answers.keys) == ["200 process 0", "200 process 1", "200 process 2"])
            // The admin server is the successor's too.
            #expect(try HTTPConnection(port: admin).get("/ready", host: "proxy").status == 200)
        }
    }
}
