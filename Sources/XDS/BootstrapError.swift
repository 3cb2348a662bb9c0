/// Why a bootstrap file was refused; every description names the place.
package enum BootstrapError: Error, Equatable, CustomStringConvertible {
    case unreadable(file: String, reason: String)
    /// The text is neither YAML nor JSON.
    case syntax(file: String, line: Int, column: Int, reason: String)
    /// A field that does not exist, is not honoured, or has the wrong shape.
    case field(file: String, line: Int, column: Int, path: String, reason: String)
    /// A value that the message cannot hold.
    case value(file: String, reason: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "\(file): \(reason)"
        case .syntax(let file, let line, let column, let reason):
            "\(file):\(line):\(column): \(reason)"
        case .field(let file, let line, let column, let path, let reason):
            "\(file):\(line):\(column): \(path): \(reason)"
        case .value(let file, let reason):
            "\(file): \(reason)"
        }
    }
}
