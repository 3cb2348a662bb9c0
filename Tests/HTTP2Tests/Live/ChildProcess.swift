import Foundation

struct LiveFailure: Error, CustomStringConvertible {
    var description: String
}

/// A program that runs beside the test, and ends with it at the latest.
final class ChildProcess {
    private let process = Process()
    private let log: URL
    let name: String

    init(_ words: [String], environment: [String: String] = [:]) throws {
        name = words[0]
        log = FileManager.default.temporaryDirectory.appending(path: "http2-\(UUID().uuidString).log")
        try Data().write(to: log)
        process.executableURL = URL(fileURLWithPath: try Self.find(words[0]))
        process.arguments = Array(words.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let handle = try FileHandle(forWritingTo: log)
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        // Not waitUntilExit: a grandchild that lives on would hold it up.
        let deadline = Date(timeIntervalSinceNow: 5)
        while process.isRunning, Date.now < deadline { usleep(1000) }
        try? FileManager.default.removeItem(at: log)
    }

    var isRunning: Bool { process.isRunning }
    var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// The exit status, once the program has ended; it is killed when it takes longer.
    func end(within seconds: Double) throws -> Int32 {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while process.isRunning, Date.now < deadline { usleep(10_000) }
        guard !process.isRunning else {
            kill(process.processIdentifier, SIGKILL)
            throw LiveFailure(description: "\(name) did not end within \(seconds) s:\n\(output)")
        }
        return process.terminationStatus
    }

    /// Whether there is a program with this name.
    static func exists(_ name: String) -> Bool { (try? find(name)) != nil }

    static func find(_ name: String) throws -> String {
        if name.contains("/") { return name }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        for folder in (path + ":/usr/sbin:/sbin").split(separator: ":") where access("\(folder)/\(name)", X_OK) == 0 {
            return "\(folder)/\(name)"
        }
        throw LiveFailure(description: "\(name) is not in PATH")
    }

    /// Runs a program to its end and returns what it said; a status other than 0 is an error.
    @discardableResult
    static func run(_ words: [String], within seconds: Double = 60) throws -> String {
        let child = try ChildProcess(words)
        let status = try child.end(within: seconds)
        let output = child.output
        guard status == 0 else {
            throw LiveFailure(description: "`\(words.joined(separator: " "))` ended with \(status):\n\(output)")
        }
        return output
    }
}

/// A port of the loopback that nobody uses.
func freePort() throws -> UInt16 {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(socket, $0, size) == 0 ? getsockname(socket, $0, &size) : -1
        }
    }
    guard result == 0 else { throw LiveFailure(description: "no free port: \(String(cString: strerror(errno)))") }
    return UInt16(bigEndian: address.sin_port)
}
