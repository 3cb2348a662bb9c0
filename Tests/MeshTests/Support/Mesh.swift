import Foundation
import TestSupport
import Testing

/// A running local mesh: the real executable, real processes, real traffic.
final class Mesh: Sendable {
    /// The mesh of the suite that runs.
    @TaskLocal static var current: Mesh?

    /// The executable under test.
    static let program = ProcessInfo.processInfo.environment["MARTLET"] ?? ".build/release/martlet"
    static let examples = ProcessInfo.processInfo.environment["MARTLET_EXAMPLES"] ?? "examples"
    /// Istio's sample, which is not part of this repository; nil where it is not at hand.
    static let bookinfo = ConformanceData.has(sample) ? "\(ConformanceData.folder)/\(sample)" : nil
    private static let sample = "samples/bookinfo"

    /// Holds `state` and the folder `manifests`, a copy that a test may change.
    let folder: URL
    let gatewayPort: UInt16
    let gatewayTLSPort: UInt16
    /// Files for TLS that manifests may name.
    let certificates: URL?
    private let flags: [String]
    private let environment: [String: String]

    var stateFolder: URL { folder.appending(path: "state") }
    var manifests: URL { folder.appending(path: "manifests") }

    /// Copies the manifests (`name` -> path of a file or folder) and writes the further texts beside them; starts nothing yet.
    /// `environment` is what processes of the mesh find in theirs, by its folder.
    init(
        copying sources: [String: String], texts: [String: String] = [:], certificates: URL? = nil,
        flags: [String] = [],
        environment: (URL) -> [String: String] = { _ in [:] }
    ) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "mesh-\(UInt32.random(in: 0...UInt32.max))")
        gatewayPort = try Self.freePort()
        gatewayTLSPort = try Self.freePort()
        self.certificates = certificates
        self.flags = flags
        self.environment = environment(folder)
        try FileManager.default.createDirectory(at: manifests, withIntermediateDirectories: true)
        for (name, path) in sources {
            // FileManager would keep the owner, which an ordinary user may not.
            let copy = try run(["cp", "-R", path, manifests.appending(path: name).path])
            guard copy.succeeded else { throw CommandFailure(description: "\(copy)") }
        }
        for (name, text) in texts { try write(text, to: name) }
    }

    /// `martlet up --detach`, until it says that all is ready.
    func start() throws {
        let result = try run(
            [Self.program, "up", manifests.path, "--detach", "--no-ui", "--state-dir", stateFolder.path]
                + ["--port", "80=\(gatewayPort)", "--port", "443=\(gatewayTLSPort)", "--port", "8080=\(gatewayPort)"]
                + flags,
            environment: environment,
            deadline: .seconds(150)
        )
        guard result.succeeded else { throw CommandFailure(description: "\(result)\n\(logs)") }
    }

    /// `martlet down`. Leaves the folder for `remove`.
    @discardableResult
    func down() throws -> CommandResult { try martlet("down") }

    func remove() {
        try? FileManager.default.removeItem(at: folder)
        if let certificates { try? FileManager.default.removeItem(at: certificates) }
    }

    /// Any subcommand, for this mesh.
    @discardableResult
    func martlet(
        _ subcommand: String,
        _ arguments: [String] = [],
        deadline: Duration = .seconds(60)
    ) throws -> CommandResult {
        try run([Self.program, subcommand, "--state-dir", stateFolder.path] + arguments, deadline: deadline)
    }

    /// Runs a program inside the pod of a workload, `NAME` or `NAMESPACE/NAME`.
    func exec(_ workload: String, _ words: [String], deadline: Duration = .seconds(60)) throws -> CommandResult {
        try martlet("exec", [workload, "--"] + words, deadline: deadline)
    }

    // MARK: Manifests

    /// Writes a manifest as editors do: a new file, renamed over the old one.
    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: manifests.appending(path: name), options: .atomic)
    }

    func read(_ name: String) throws -> String {
        try String(contentsOf: manifests.appending(path: name), encoding: .utf8)
    }

    /// The control plane's `status.json`.
    func controlPlaneStatus() throws -> ControlPlaneStatus {
        try JSONDecoder().decode(
            ControlPlaneStatus.self,
            from: Data(contentsOf: stateFolder.appending(path: "status.json"))
        )
    }

    // MARK: Traffic

    func get(_ path: String = "/", host: String, headers: [String: String] = [:]) throws -> HTTPAnswer {
        try HTTPConnection(port: gatewayPort).get(path, host: host, headers: headers)
    }

    /// Waits until the gateway answers `path` with 200: config travels to the proxies after the pods are ready.
    func waitUntilServing(_ path: String = "/", host: String) async throws {
        do {
            try await eventually("200 for \(path) of \(host) at the gateway") {
                let answer = try self.get(path, host: host)
                if answer.status == 200 { return true }
                throw CommandFailure(description: "status \(answer.status): \(answer.text.prefix(1000))")
            }
        } catch { throw CommandFailure(description: "\(error)\n\(logs)") }
    }

    // MARK: Processes and logs

    /// All processes of this mesh.
    var processes: [ProcessTable.Entry] { ProcessTable().belonging(to: stateFolder.path) }

    /// The newest process of this mesh whose command line holds all the words.
    func process(_ what: String, _ words: [String]) throws -> ProcessTable.Entry {
        let all = processes
        guard
            let found = all.filter({ entry in words.allSatisfy { entry.line.contains($0) } }).max(by: { $0.id < $1.id })
        else {
            throw CommandFailure(description: "no process \(what) among\n\(all.map(\.line).joined(separator: "\n"))")
        }
        return found
    }

    func sidecar(of pod: String) throws -> ProcessTable.Entry {
        try process("sidecar of \(pod)", ["\(Self.name) proxy", "/\(pod)/"])
    }

    func controlPlane() throws -> ProcessTable.Entry {
        try process("control plane", ["\(Self.name) control-plane", stateFolder.path])
    }

    func application(_ service: String, _ version: String) throws -> ProcessTable.Entry {
        try process("application \(service)", ["example-service", "--name=\(service)", "--version=\(version)"])
    }

    private static var name: String { "martlet" }

    /// The text of a file below the state folder, empty when it is not there.
    func log(_ path: String) -> String {
        (try? String(contentsOf: stateFolder.appending(path: path), encoding: .utf8)) ?? ""
    }

    /// The ends of all logs, for the message of a failure.
    var logs: String {
        var text = ""
        let names = FileManager.default.enumerator(atPath: stateFolder.path)
        while let name = names?.nextObject() as? String {
            guard name.hasSuffix(".log"), !name.hasSuffix("access.log") else { continue }
            text += "--- \(name)\n" + log(name).split(separator: "\n").suffix(15).joined(separator: "\n") + "\n"
        }
        return text
    }

    /// Lines of all access logs about requests that were not answered with 200, for the message of a failure.
    var failedRequests: String {
        var text = ""
        let names = FileManager.default.enumerator(atPath: stateFolder.path)
        while let name = names?.nextObject() as? String {
            guard name.hasSuffix("access.log") else { continue }
            let lines = log(name).split(separator: "\n").filter { !$0.contains("HTTP/1.1\" 200 ") }
            if !lines.isEmpty { text += "--- \(name)\n" + lines.suffix(20).joined(separator: "\n") + "\n" }
        }
        return text
    }

    static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard result else { throw CommandFailure(description: "no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// The part of `status.json` that these tests read.
struct ControlPlaneStatus: Decodable {
    struct Problem: Decodable {
        var file: String?
        var line: Int?
        var column: Int?
        var message: String
        var severity: String?
    }

    struct Proxy: Decodable {
        var id: String
        var ackedGeneration: Int?
        var nacks: [String]?
    }

    var generation: Int
    var errors: [Problem]
    var proxies: [Proxy]?
}
