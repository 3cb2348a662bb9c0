import Foundation
import Synchronization
import TLS

/// Which proxy stands in the middle.
enum Peer: String, Sendable {
    case envoy
    case martlet

    func arguments(config: String) -> [String] {
        switch self {
        case .envoy:
            [
                "-c", config, "--concurrency", "1", "--log-level", "error",
                "--file-flush-interval-msec", "20", "--disable-hot-restart",
            ]
        case .martlet: ["proxy", "-c", config, "--concurrency", "1", "--log-level", "warning"]
        }
    }

    /// The program; nil when this machine has none.
    var program: String? {
        switch self {
        case .envoy:
            ProcessInfo.processInfo.environment["MARTLET_ENVOY"] ?? Self.installed
        case .martlet:
            ProcessInfo.processInfo.environment["MARTLET"]
                ?? Scenario.folder.deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: ".build/release/martlet").path
        }
    }

    /// The binary inside of the Python package, past its launcher, which costs as much to start as Envoy does.
    private static let installed: String? = {
        let script = "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')"
        if let path = try? Program.output(["python3", "-c", script]), FileManager.default.isExecutableFile(atPath: path)
        {
            return path
        }
        return try? Program.output(["sh", "-c", "command -v envoy"])
    }()
}

enum Program {
    /// Standard output of a program that succeeds, without the last line break.
    static func output(_ words: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CaseError("\(words) ended with \(process.terminationStatus)")
        }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// One of the two proxies with its own backend, ports and folder.
final class Side {
    private let peer: Peer
    private let folder: URL
    private let backend = Backend()
    private let process = Process()
    private var ports: [String: UInt16] = [:]
    private var refusing: [ListeningSocket] = []
    private var helpers: [Process] = []
    private let certificates: Certificates
    private let logFile: URL

    init(_ peer: Peer, bootstrap: String, certificates: Certificates) throws {
        self.peer = peer
        self.certificates = certificates
        folder = FileManager.default.temporaryDirectory.appending(path: "differential-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        logFile = folder.appending(path: "access.log")
        try Data().write(to: logFile)
        var text = bootstrap
        for placeholder in Set(bootstrap.matches(of: /\{\{([a-z0-9-]+)\}\}/).map { String($0.1) }) {
            text = text.replacingOccurrences(of: "{{\(placeholder)}}", with: try value(placeholder))
        }
        let config = folder.appending(path: "bootstrap.yaml")
        try Data(text.utf8).write(to: config)
        guard let program = peer.program else { throw CaseError("\(peer) is not installed") }
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = peer.arguments(config: config.path)
        let errors = folder.appending(path: "errors.log")
        try Data().write(to: errors)
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        try awaitReady(errors)
    }

    private func value(_ placeholder: String) throws -> String {
        switch placeholder {
        case "log": return logFile.path
        case "certs": return certificates.folder.path
        case "folder": return folder.path
        case "jwks", "other-jwks": return try KeyRing.shared.get().keySet(other: placeholder == "other-jwks")
        default: break
        }
        let port: UInt16
        if placeholder.hasPrefix("backend") {
            port = try backend.listen(as: placeholder, tls: nil, .http1)
        } else if placeholder.hasPrefix("h2-backend") {
            port = try backend.listen(as: placeholder, tls: nil, .http2)
        } else if placeholder.hasPrefix("tls-h2-backend") {
            port = try backend.listen(as: placeholder, tls: try certificates.server(protocols: ["h2"]), .http2)
        } else if placeholder.hasPrefix("tls-backend") {
            port = try backend.listen(as: placeholder, tls: try certificates.server(), .http1)
        } else if placeholder.hasPrefix("mutual-backend") {
            port = try backend.listen(as: placeholder, tls: try certificates.server(mutual: true), .http1)
        } else if placeholder.hasPrefix("stream-backend") {
            port = try backend.listen(as: placeholder, tls: nil, .lines)
        } else if placeholder.hasPrefix("closed") {
            let socket = try ListeningSocket(listens: false)
            refusing.append(socket)
            port = socket.port
        } else if placeholder.hasPrefix("grpc-authz") {
            port = try startAuthorizationService()
        } else {
            port = try ListeningSocket.freePort()
        }
        ports[placeholder] = port
        return "\(port)"
    }

    /// A gRPC service of its own for this side; its port.
    private func startAuthorizationService() throws -> UInt16 {
        let service = Process()
        service.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        service.arguments = ["python3", Scenario.folder.appending(path: "Support/authorization_service.py").path]
        let output = Pipe()
        service.standardOutput = output
        // It ends with us: when nobody can write to it any more.
        service.standardInput = Pipe()
        try service.run()
        helpers.append(service)
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = UInt16(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw CaseError("the authorization service did not start: \(text)")
        }
        return port
    }

    private func awaitReady(_ errors: URL) throws {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if let admin = ports["admin"], let wire = try? Wire(port: admin) {
                try? wire.send(Array("GET /ready HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
                var reader = MessageReader(wire)
                if let head = try? reader.head(within: 1000), head.status == 200 { return }
            }
            guard process.isRunning else { break }
            usleep(10_000)
        }
        let text = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
        stop()
        throw CaseError("\(peer.rawValue) did not become ready:\n\(text.prefix(1500))")
    }

    // MARK: Exchanges

    func run(_ exchange: Exchange) throws -> Observation {
        backend.begin(exchange.backend)
        var observation = Observation()
        guard let port = ports[exchange.listener] else { throw CaseError("no listener {{\(exchange.listener)}}") }
        let wire = try Wire(port: port, from: exchange.source)
        defer { wire.close() }
        if let tls = exchange.tls {
            do {
                try wire.secure(certificates.client(tls), serverName: tls.serverName)
                observation["protocol"] = wire.applicationProtocol
            } catch {
                observation["end"] = "no handshake"
                return observation
            }
        }
        if !exchange.frames.isEmpty {
            observation["end"] = runHTTP2(exchange, wire, &observation)
            noteAttempts(in: &observation, sorted: exchange.isSorted)
            return observation
        }
        var reader = MessageReader(wire)
        var answers: [ReceivedMessage] = []
        try? wire.send(exchange.opening)
        var end: String?
        for step in exchange.steps {
            switch step {
            case .send(let bytes): try? wire.send(bytes)
            case .wait(let milliseconds): usleep(UInt32(milliseconds) * 1000)
            case .shutdown: wire.shutdownWrite()
            case .close, .reset:
                if case .reset = step { wire.reset() } else { wire.close() }
                end = "by client"
            case .read(let count): end = read(count, exchange, &reader, &answers)
            case .stall: break
            }
        }
        if exchange.isStream {
            if end == nil { end = readStream(exchange, &reader, &observation) }
        } else {
            if end == nil { end = read(exchange.responses, exchange, &reader, &answers) }
            if end == nil { end = ending(exchange, &reader) }
            for (index, answer) in answers.enumerated() {
                observation.note(answer, at: "response[\(index)]")
                if let paths = exchange.json { observation.noteJSON(answer.body, at: "response[\(index)]", paths) }
            }
        }
        observation["end"] = end
        noteAttempts(in: &observation, sorted: exchange.isSorted)
        return observation
    }

    private func noteAttempts(in observation: inout Observation, sorted: Bool) {
        var attempts = settledAttempts()
        if sorted { attempts.sort { $0.backend < $1.backend } }
        for (index, attempt) in attempts.enumerated() {
            observation["attempt[\(index)].backend"] = attempt.backend
            observation.note(attempt.message, at: "attempt[\(index)]")
        }
        observation["attempts"] = "\(attempts.count)"
    }

    /// Bodies may still be on their way to the backend when the client has its answer.
    private func settledAttempts() -> [Backend.Attempt] {
        let end = ContinuousClock.now + .milliseconds(150)
        while ContinuousClock.now < end {
            let attempts = backend.attempts()
            if attempts.allSatisfy({ $0.message.isComplete }) {
                // A stream that the proxy gave up is reset at about the time of the answer.
                if attempts.contains(where: { $0.message.startLine == "HTTP/2" }) { usleep(25_000) }
                return backend.attempts()
            }
            usleep(2000)
        }
        return backend.attempts()
    }

    private func read(
        _ count: Int, _ exchange: Exchange, _ reader: inout MessageReader, _ answers: inout [ReceivedMessage]
    ) -> String? {
        while answers.filter({ ($0.status ?? 0) >= 200 || $0.status == 101 }).count < count {
            do {
                var answer = try reader.head(within: 4000)
                let status = answer.status ?? 0
                if exchange.isHead || (100..<200).contains(status) || status == 204 || status == 304 {
                    answer.framing = .none
                }
                do {
                    try reader.body(of: &answer, within: 4000)
                } catch {
                    answers.append(answer)
                    throw error
                }
                answers.append(answer)
                if answer.framing == .close { return "closed" }
            } catch {
                return "\(error)"
            }
        }
        return nil
    }

    private func readStream(
        _ exchange: Exchange, _ reader: inout MessageReader, _ observation: inout Observation
    ) -> String {
        var received = reader.buffer
        var patience = 3000
        while true {
            do {
                received += try reader.wire.receive(within: patience)
                patience = max(exchange.settle, 150)
            } catch {
                observation["stream"] = Observation.text(received)
                return received.isEmpty || !(error as? WireEnd == .timeout) ? "\(error)" : "open"
            }
        }
    }

    /// Whether the connection stays open behind the last response.
    private func ending(_ exchange: Exchange, _ reader: inout MessageReader) -> String {
        if let end = reader.end { return "\(end)" }
        if !reader.buffer.isEmpty { return "more bytes: \(Observation.text(reader.buffer))" }
        do {
            let bytes = try reader.wire.receive(within: exchange.settle)
            return "more bytes: \(Observation.text(bytes))"
        } catch {
            return error as? WireEnd == .timeout ? "open" : "\(error)"
        }
    }

    // MARK: Access log

    var normalisation: Normalisation {
        Normalisation(ports: ports, texts: ["folder": folder.path, "certs": certificates.folder.path])
    }

    /// The lines of the access log once `count` have come and no further one follows within some intervals of flushing, or as
    /// many as come until nothing has come for three seconds.
    func log(atLeast count: Int) -> [String] {
        var lastChange = ContinuousClock.now
        var lines: [String] = []
        while true {
            let text = (try? String(contentsOf: logFile, encoding: .utf8)) ?? ""
            let found = text.split(separator: "\n").map(String.init)
            if found.count > lines.count { lastChange = .now }
            lines = found
            let flushed: Duration = peer == .martlet ? .milliseconds(600) : .milliseconds(200)
            let patience: Duration = lines.count >= count ? flushed : .seconds(3)
            if ContinuousClock.now - lastChange > patience { return lines }
            usleep(20_000)
        }
    }

    /// Ends the proxy, which writes what remains of its log, and gives back the whole log.
    func stop() {
        backend.stop()
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        for helper in helpers where helper.isRunning {
            kill(helper.processIdentifier, SIGKILL)
            helper.waitUntilExit()
        }
        if ProcessInfo.processInfo.environment["DIFFERENTIAL_KEEP"] == nil {
            try? FileManager.default.removeItem(at: folder)
        }
    }
}
