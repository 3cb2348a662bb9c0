import FoundationEssentials
import Glibc

/// Files that only their owner may read, replaced as a whole.
package enum PrivateFile {
    package static func read(_ path: String) throws(IdentityError) -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .file(path: path, reason: "cannot be read: \(error)")
        }
    }

    /// Writes `text` with mode 0600: into a new file beside it, then by rename, so that a reader sees all or nothing.
    package static func write(_ text: String, to path: String) throws(IdentityError) {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else { throw .file(path: path, reason: String(cString: strerror(errno))) }
            rest = rest.dropFirst(written)
        }
        guard rename(temporary, path) == 0 else {
            throw .file(path: path, reason: String(cString: strerror(errno)))
        }
    }
}
