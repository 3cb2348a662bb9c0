import Foundation
import Synchronization
import TLS

/// The recording backend of one proxy: listens under several names, does to each request what the script of the exchange
/// says, and remembers what came.
final class Backend: Sendable {
    /// A request as the backend saw it.
    struct Attempt {
        var backend: String
        var message: ReceivedMessage
    }

    private struct State {
        var scripts: [BackendScript] = []
        var attempts: [Attempt] = []
        var isStopped = false
        /// Rises with each exchange: who stalls for an earlier one ends.
        var exchange = 0
    }

    private let state = Mutex(State())

    /// Takes requests on a new port.
    /// What a backend speaks.
    enum Speech { case http1, http2, lines }

    func listen(as name: String, tls: TLSContext?, _ speech: Speech) throws -> UInt16 {
        let socket = try ListeningSocket()
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isStopped }) {
                guard let accepted = socket.accept(within: 100) else { continue }
                // SAFETY: handed to the new thread, and used nowhere else.
                nonisolated(unsafe) let wire = accepted
                Thread.detachNewThread { [self] in
                    do {
                        if let tls { try wire.secure(tls) }
                        switch speech {
                        case .lines: try echo(wire, name)
                        case .http1: try serve(wire, name)
                        case .http2: try serveHTTP2(wire, name)
                        }
                    } catch {}
                    wire.close()
                }
            }
        }
        return socket.port
    }

    func begin(_ scripts: [BackendScript]) {
        state.withLock {
            $0.scripts = scripts
            $0.attempts = []
            $0.exchange += 1
        }
    }

    func attempts() -> [Attempt] { state.withLock { $0.attempts } }

    func stop() { state.withLock { $0.isStopped = true } }

    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Remembers a request; its number.
    func note(_ message: ReceivedMessage, of name: String) -> Int {
        state.withLock {
            $0.attempts.append(Attempt(backend: name, message: message))
            return $0.attempts.count - 1
        }
    }

    func update(_ message: ReceivedMessage, at index: Int, _ exchange: Int) { record(message, at: index, exchange) }

    func nextScript() -> (BackendScript?, Int) {
        state.withLock { ($0.scripts.isEmpty ? nil : $0.scripts.removeFirst(), $0.exchange) }
    }

    private func serve(_ wire: Wire, _ name: String) throws {
        var reader = MessageReader(wire)
        while true {
            var message: ReceivedMessage
            while true {
                do {
                    message = try reader.head(within: 200)
                    break
                } catch WireEnd.timeout {
                    if state.withLock({ $0.isStopped }) { return }
                }
            }
            let (script, exchange) = nextScript()
            let first = message
            let index = state.withLock {
                $0.attempts.append(Attempt(backend: name, message: first))
                return $0.attempts.count - 1
            }
            let fallback =
                "HTTP/1.1 200 OK\r\nbackend: \(name)\r\ncontent-length: \(name.utf8.count + 1)\r\n\r\n\(name)\n"
            if script?.isEarly == true {
                guard try play(script?.steps ?? [], on: wire, exchange) else { return }
            }
            do {
                try reader.body(of: &message, within: 5000)
            } catch {
                record(message, at: index, exchange)
                throw error
            }
            record(message, at: index, exchange)
            if script?.isEarly == true { continue }
            guard let script else {
                let isHead = message.startLine.hasPrefix("HEAD ")
                try wire.send(Array((isHead ? String(fallback.dropLast(name.count + 1)) : fallback).utf8))
                continue
            }
            guard try play(script.steps, on: wire, exchange) else { return }
        }
    }

    private func record(_ message: ReceivedMessage, at index: Int, _ exchange: Int) {
        state.withLock {
            if $0.exchange == exchange, index < $0.attempts.count { $0.attempts[index].message = message }
        }
    }

    /// - Returns: whether the connection lives on.
    private func play(_ steps: [Step], on wire: Wire, _ exchange: Int) throws -> Bool {
        for step in steps {
            switch step {
            case .send(let bytes): try wire.send(bytes)
            case .wait(let milliseconds): usleep(UInt32(milliseconds) * 1000)
            case .shutdown: wire.shutdownWrite()
            case .close:
                wire.close()
                return false
            case .reset:
                wire.reset()
                return false
            case .read: break
            case .stall:
                while state.withLock({ $0.exchange == exchange && !$0.isStopped }) { usleep(5000) }
                return false
            }
        }
        return true
    }

    /// Repeats each line until the peer has said all, then closes.
    private func echo(_ wire: Wire, _ name: String) throws {
        let (script, exchange) = nextScript()
        var message = ReceivedMessage()
        let index = state.withLock {
            $0.attempts.append(Attempt(backend: name, message: message))
            return $0.attempts.count - 1
        }
        if let script, script.isEarly, try !play(script.steps, on: wire, exchange) { return }
        while true {
            do {
                let bytes = try wire.receive(within: 5000)
                message.body += bytes
                record(message, at: index, exchange)
                if let script {
                    if try !play(script.steps, on: wire, exchange) { return }
                } else {
                    try wire.send(Array("\(name): ".utf8) + bytes)
                }
            } catch {
                message.isComplete = true
                record(message, at: index, exchange)
                return
            }
        }
    }
}
