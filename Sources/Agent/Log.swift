import FoundationEssentials
import Glibc
import Synchronization

/// Lines for operators on standard error: time, level, part of the agent, then what happened. One event, one line.
package enum Log {
    package enum Level: Int, Sendable, CaseIterable, Comparable {
        case trace, debug, info, warning, error, critical, off

        /// Envoy's names; `warn` is accepted too.
        package init?(_ name: some StringProtocol) {
            switch name.lowercased() {
            case "trace": self = .trace
            case "debug": self = .debug
            case "info": self = .info
            case "warning", "warn": self = .warning
            case "error": self = .error
            case "critical": self = .critical
            case "off": self = .off
            default: return nil
            }
        }

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    private static let current = Atomic(Level.info.rawValue)

    /// May be changed while the process runs (`/logging?level=debug`).
    package static var level: Level {
        get { Level(rawValue: current.load(ordering: .relaxed)) ?? .info }
        set { current.store(newValue.rawValue, ordering: .relaxed) }
    }

    package static func debug(_ part: StaticString, _ message: @autoclosure () -> String) {
        write(.debug, part, message)
    }

    package static func info(_ part: StaticString, _ message: @autoclosure () -> String) {
        write(.info, part, message)
    }

    package static func warning(_ part: StaticString, _ message: @autoclosure () -> String) {
        write(.warning, part, message)
    }

    package static func error(_ part: StaticString, _ message: @autoclosure () -> String) {
        write(.error, part, message)
    }

    private static func write(_ level: Level, _ part: StaticString, _ message: () -> String) {
        guard level >= self.level, self.level != .off else { return }
        let text = message().split(whereSeparator: \.isNewline).joined(separator: " | ")
        var line = "\(timestamp()) \(level) \(part): \(text)\n"
        // One write per line, so that lines of several processes on one file stay whole.
        line.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// RFC 3339, UTC, milliseconds.
    static func timestamp(_ now: Date = Date()) -> String {
        let milliseconds = Int64((now.timeIntervalSince1970 * 1000).rounded(.down))
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date =
            "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let clock =
            "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(padded(Int(milliseconds % 1000), 3))Z"
    }
}
