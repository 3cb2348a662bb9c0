package import FoundationEssentials
import Glibc

/// Files by path: small, whole, and with an error that names them.
package enum Files {
    static func failure(_ doing: String, _ code: Int32 = errno) -> LocalMeshError {
        .system(doing: doing, error: String(cString: strerror(code)))
    }

    package static func read(_ path: String) -> String? {
        data(path).map { String(decoding: $0, as: UTF8.self) }
    }

    package static func data(_ path: String) -> Data? {
        try? Data(contentsOf: URL(filePath: path))
    }

    package static func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws(LocalMeshError) {
        try write(Data(text.utf8), to: path, mode: mode)
    }

    /// Readers see the old file or the new one, never a part.
    package static func write(_ data: Data, to path: String, mode: UInt32 = 0o644) throws(LocalMeshError) {
        let temporary = "\(path).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("writing \(path)") }
        defer { close(descriptor) }
        try writeAll(data, to: descriptor, path)
        guard rename(temporary, path) == 0 else { throw failure("writing \(path)") }
    }

    /// Changes a file in place: one that is mounted elsewhere must stay the same file.
    static func overwrite(_ text: String, at path: String) throws(LocalMeshError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("writing \(path)") }
        defer { close(descriptor) }
        try writeAll(Data(text.utf8), to: descriptor, path)
    }

    private static func writeAll(_ data: Data, to descriptor: Int32, _ path: String) throws(LocalMeshError) {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("writing \(path)") }
            rest = rest.dropFirst(count)
        }
    }

    package static func makeFolder(_ path: String, mode: UInt32 = 0o755) throws(LocalMeshError) {
        var made = ""
        for part in path.split(separator: "/") {
            made += (path.hasPrefix("/") || !made.isEmpty ? "/" : "") + part
            guard mkdir(made, mode) == 0 || errno == EEXIST || access(made, F_OK) == 0 else {
                throw failure("making the folder \(made)")
            }
        }
    }

    static func removeTree(_ path: String) {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// A log to append to.
    static func openLog(_ path: String) throws(LocalMeshError) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("opening \(path)") }
        return descriptor
    }
}
