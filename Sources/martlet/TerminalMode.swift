import Foundation
import Synchronization

/// The terminal as a screen of our own: keys come at once, and what was there before comes back at the end.
struct TerminalMode {
    private let before: termios

    init() {
        var mode = termios()
        tcgetattr(0, &mode)
        before = mode
        mode.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(0, TCSANOW, &mode)
        // Other screen, no cursor.
        FileHandle.standardOutput.write(Data("\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J".utf8))
    }

    func restore() {
        var mode = before
        tcsetattr(0, TCSANOW, &mode)
        FileHandle.standardOutput.write(Data("\u{1B}[?25h\u{1B}[?1049l".utf8))
    }

    static var size: (columns: Int, rows: Int) {
        var window = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else { return (80, 24) }
        return (Int(window.ws_col), Int(window.ws_row))
    }
}

/// A value that several threads share.
final class MutexBox<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    func set(_ value: Value) { state.withLock { $0 = value } }
}
