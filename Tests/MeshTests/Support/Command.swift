import Foundation
import Synchronization

/// What a finished program said.
struct CommandResult: CustomStringConvertible {
    var words: [String]
    /// Exit status; 128 + number for a program that a signal ended, as shells count.
    var status: Int
    var output: String
    var errors: String

    var succeeded: Bool { status == 0 }
    var description: String {
        "`\(words.joined(separator: " "))` ended with \(status)\n--- output\n\(output)\n--- errors\n\(errors)"
    }
}

struct CommandFailure: Error, CustomStringConvertible {
    var description: String
}

/// Runs a program to its end, at most `deadline` long; then it is killed and that is an error.
func run(
    _ words: [String],
    environment: [String: String] = [:],
    deadline: Duration = .seconds(60)
) throws -> CommandResult {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try findProgram(words[0]))
    process.arguments = Array(words.dropFirst())
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    // Files, not pipes: a daemon that the program leaves behind may hold its descriptors open for ever.
    let folder = FileManager.default.temporaryDirectory.appending(path: "command-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let outputFile = folder.appending(path: "output")
    let errorFile = folder.appending(path: "errors")
    for file in [outputFile, errorFile] { try Data().write(to: file) }
    process.standardOutput = try FileHandle(forWritingTo: outputFile)
    process.standardError = try FileHandle(forWritingTo: errorFile)
    try process.run()
    let end = ContinuousClock.now + deadline
    while process.isRunning, ContinuousClock.now < end { usleep(5000) }
    let timedOut = process.isRunning
    if timedOut { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    let result = CommandResult(
        words: words,
        status: Int(process.terminationStatus) + (process.terminationReason == .uncaughtSignal ? 128 : 0),
        output: String(decoding: try Data(contentsOf: outputFile), as: UTF8.self),
        errors: String(decoding: try Data(contentsOf: errorFile), as: UTF8.self)
    )
    guard !timedOut else { throw CommandFailure(description: "no end within \(deadline): \(result)") }
    return result
}

private func findProgram(_ name: String) throws -> String {
    if name.contains("/") { return name }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    for folder in (path + ":/usr/sbin:/sbin").split(separator: ":") {
        let candidate = "\(folder)/\(name)"
        if access(candidate, X_OK) == 0 { return candidate }
    }
    throw CommandFailure(description: "\(name) is not in PATH")
}

/// Asks `question` again and again until it answers with a value; an error says what was waited for and the last answer.
@discardableResult
func eventually<Value>(
    _ what: String,
    within deadline: Duration = .seconds(30),
    every pause: Duration = .milliseconds(50),
    _ question: () throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + deadline
    var lastError: (any Error)?
    while true {
        do {
            if let value = try question() { return value }
            lastError = nil
        } catch { lastError = error }
        guard ContinuousClock.now < end else {
            let detail = lastError.map { ": \($0)" } ?? ""
            throw CommandFailure(description: "waited \(deadline) for this, in vain: \(what)\(detail)")
        }
        try await Task.sleep(for: pause)
    }
}
