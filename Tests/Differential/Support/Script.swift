import Foundation
import Testing
import Yams

/// A word of a conversation: bytes, a pause, an end.
enum Step: Sendable {
    case send([UInt8])
    case wait(Int)
    case shutdown
    case close
    case reset
    /// Waits until that many responses have come in all.
    case read(Int)
    /// Keeps the connection open and says nothing more.
    case stall

    init(_ node: Node) throws {
        if let text = node.scalar?.string {
            switch text {
            case "close": self = .close
            case "reset": self = .reset
            case "shutdown": self = .shutdown
            case "stall": self = .stall
            default: self = .send(Array(text.utf8))
            }
        } else if let milliseconds = node["wait"]?.int {
            self = .wait(milliseconds)
        } else if let count = node["read"]?.int {
            self = .read(count)
        } else if let size = node["fill"]?.int {
            self = .send([UInt8](repeating: UInt8(ascii: "x"), count: size))
        } else {
            throw CaseError("not a step: \(node)")
        }
    }
}

struct CaseError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

private let reasons = [
    201: "Created", 204: "No Content", 302: "Found", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 409: "Conflict", 413: "Payload Too Large", 418: "I'm a Teapot",
    429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
]

/// What the backend does with one request.
struct BackendScript: Sendable {
    var steps: [Step] = []
    /// Answers as soon as the head has come.
    var isEarly = false
    /// The same for a request that came in HTTP/2.
    var frames: [FrameStep] = []

    init(_ node: Node, http2: Bool) throws {
        if http2 {
            isEarly = node["early"]?.bool ?? false
            frames = try FrameStep.response(node)
            return
        }
        if node.scalar != nil {
            steps = [try Step(node)]
            return
        }
        if let sequence = node.sequence {
            steps = try sequence.map(Step.init)
            return
        }
        if let delay = node["delay"]?.int { steps.append(.wait(delay)) }
        isEarly = node["early"]?.bool ?? false
        if node["status"] != nil || node["headers"] != nil || node["body"] != nil || node["chunks"] != nil {
            steps.append(.send(Array(Self.response(node).utf8)))
        }
        for step in node["then"]?.array() ?? [] { steps.append(try Step(step)) }
    }

    private static func response(_ node: Node) -> String {
        let status = node["status"]?.int ?? 200
        var text = "HTTP/1.1 \(status) \(node["reason"]?.string ?? reasons[status] ?? "OK")\r\n"
        for header in node["headers"]?.array() ?? [] { text += (header.string ?? "") + "\r\n" }
        if let chunks = node["chunks"]?.array() {
            text += "transfer-encoding: chunked\r\n\r\n"
            for chunk in chunks {
                let data = chunk.string ?? ""
                text += String(data.utf8.count, radix: 16) + "\r\n" + data + "\r\n"
            }
            text += "0\r\n"
            for trailer in node["trailers"]?.array() ?? [] { text += (trailer.string ?? "") + "\r\n" }
            return text + "\r\n"
        }
        let body = node["body"]?.string ?? ""
        if status != 204, status != 304, node["length"]?.bool ?? true {
            text += "content-length: \(body.utf8.count)\r\n"
        }
        return text + "\r\n" + body
    }
}

/// One exchange of a scenario: what the client sends, what the backend does, how much is awaited.
struct Exchange: Sendable {
    let name: String
    var listener = "listener"
    /// The address of the client: each exchange has its own, which tells its lines of the access log.
    var source: String
    var opening: [UInt8] = []
    var steps: [Step] = []
    var backend: [BackendScript] = []
    var responses = 1
    /// No response to this has a body.
    var isHead = false
    /// The client speaks HTTP/2: what it says, and on which stream.
    var frames: [(step: FrameStep, stream: UInt32)] = []
    /// The client takes all bytes as they come, until the connection ends.
    var isStream = false
    var tls: ClientTLS?
    /// What comes to several backends at a time is told by backend.
    var isSorted = false
    /// The answer's body is JSON, compared member by member below these paths.
    var json: [String]?
    /// How long to look whether the connection ends after the last response, in milliseconds.
    var settle = 60

    var text: String { String(decoding: opening, as: UTF8.self) }

    init(_ node: Node, number: Int) throws {
        guard let name = node["name"]?.string else { throw CaseError("an exchange without a name: \(node)") }
        self.name = name
        listener = node["listener"]?.string ?? "listener"
        source = node["from"]?.string ?? Self.source(number)
        responses = node["responses"]?.int ?? 1
        settle = node["settle"]?.int ?? settle
        isStream = node["stream"]?.bool ?? false
        json = node["json"]?.array().compactMap(\.string)
        isSorted = node["sorted"]?.bool ?? false
        for script in node["backend"]?.array() ?? [] {
            backend.append(try BackendScript(script, http2: node["backend-h2"]?.bool ?? false))
        }
        if let tls = node["tls"] { self.tls = ClientTLS(tls) }
        if node["h2"]?.bool == true {
            frames = try FrameStep.request(node, number: number).map { ($0, 1) }
            for step in node["frames"]?.array() ?? [] {
                frames.append((try FrameStep(step), UInt32(step["stream"]?.int ?? 1)))
            }
            return
        }
        for step in node["then"]?.array() ?? [] { steps.append(try Step(step)) }
        let text = try node["raw"]?.string ?? Self.request(node, number: number)
        isHead = text.hasPrefix("HEAD ")
        opening = Array(text.replacingOccurrences(of: "{{case}}", with: "x-case: \(number)").utf8)
    }

    static func source(_ number: Int) -> String { "127.9.\(number / 200).\(number % 200 + 1)" }

    private static func request(_ node: Node, number: Int) throws -> String {
        var text = (node["request"]?.string ?? "GET /") + " HTTP/\(node["version"]?.string ?? "1.1")\r\n"
        let host = node["host"]?.string ?? "test.example"
        if !host.isEmpty { text += "host: \(host)\r\n" }
        text += "x-case: \(number)\r\n"
        for header in node["headers"]?.array() ?? [] { text += (header.string ?? "") + "\r\n" }
        if let body = node["body"]?.string { return text + "content-length: \(body.utf8.count)\r\n\r\n" + body }
        guard let chunks = node["chunks"]?.array() else { return text + "\r\n" }
        text += "transfer-encoding: chunked\r\n\r\n"
        for chunk in chunks {
            let data = chunk.string ?? ""
            text += String(data.utf8.count, radix: 16) + "\r\n" + data + "\r\n"
        }
        text += "0\r\n"
        for trailer in node["trailers"]?.array() ?? [] { text += (trailer.string ?? "") + "\r\n" }
        return text + "\r\n"
    }
}

/// How the client speaks TLS.
struct ClientTLS: Sendable {
    var serverName: String?
    var protocols: [String]
    /// The name of the certificate that the client shows.
    var certificate: String?

    init(_ node: Node) {
        serverName = node["sni"]?.string
        protocols = node["alpn"]?.array().compactMap(\.string) ?? []
        certificate = node["certificate"]?.string
    }
}

/// A bootstrap file with its exchanges.
struct Scenario: Sendable, CustomTestStringConvertible {
    let name: String
    var testDescription: String { name }

    /// Where the bootstraps, exchanges and differences are.
    static let folder: URL =
        if let other = ProcessInfo.processInfo.environment["DIFFERENTIAL_FOLDER"] {
            URL(fileURLWithPath: other)
        } else {
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        }

    static let all: [Scenario] = {
        let files = try? FileManager.default.contentsOfDirectory(
            at: folder.appending(path: "Bootstraps"), includingPropertiesForKeys: nil)
        let wanted = ProcessInfo.processInfo.environment["DIFFERENTIAL_ONLY"]?.split(separator: ",").map(String.init)
        return (files ?? []).filter { $0.pathExtension == "yaml" }
            .map { Scenario(name: $0.deletingPathExtension().lastPathComponent) }
            .filter { wanted?.contains($0.name) ?? true }
            .sorted { $0.name < $1.name }
    }()

    func bootstrap() throws -> String {
        try String(contentsOf: Self.folder.appending(path: "Bootstraps/\(name).yaml"), encoding: .utf8)
    }

    func exchanges() throws -> [Exchange] {
        let text = try String(contentsOf: Self.folder.appending(path: "Exchanges/\(name).yaml"), encoding: .utf8)
        guard let list = try Yams.compose(yaml: text)?.array() else { return [] }
        return try list.enumerated().map { try Exchange($1, number: $0) }
    }
}
