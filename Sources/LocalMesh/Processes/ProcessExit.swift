import Glibc

/// How a process ended.
package struct ProcessExit: Equatable, Sendable, CustomStringConvertible {
    /// -1: by a signal.
    package var code: Int32
    package var signal: Int32

    package init(code: Int32, signal: Int32) {
        self.code = code
        self.signal = signal
    }

    package var succeeded: Bool { code == 0 && signal == 0 }

    /// As a shell says it: 128 and the signal.
    package var shellCode: Int32 { signal == 0 ? code : 128 + signal }

    package var description: String {
        if signal == 0 { return "ended with exit code \(code)" }
        return "was ended by signal \(signal) (\(strsignal(signal).map { String(cString: $0) } ?? "?"))"
    }
}
