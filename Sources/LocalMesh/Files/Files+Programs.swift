import Glibc

extension Files {
    package static var workingDirectory: String {
        // SAFETY: getcwd allocates when it gets no buffer, and the copy is made before the memory is freed.
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }

    /// Where a command's first word is: `martlet` is this very program.
    package static func program(
        _ word: String,
        martlet: String,
        environment: [EnvironmentVariable]
    ) throws(LocalMeshError) -> String {
        if word == "martlet" { return martlet }
        if word.contains("/") { return word }
        let path = environment.last { $0.name == "PATH" }?.value ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        for folder in path.split(separator: ":") where access("\(folder)/\(word)", X_OK) == 0 {
            return "\(folder)/\(word)"
        }
        throw .invalid(what: "the program '\(word)'", reason: "is not in \(path)")
    }

    /// Adds a line of our own to a log.
    static func note(in log: String, _ text: String) {
        guard let descriptor = try? openLog(log) else { return }
        defer { close(descriptor) }
        let line = Array("martlet: \(text)\n".utf8)
        _ = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }

    /// The target of a symbolic link, nil when it is none.
    package static func linkTarget(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.bindMemory(to: CChar.self).baseAddress.map { readlink(path, $0, bytes.count) } ?? -1
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
