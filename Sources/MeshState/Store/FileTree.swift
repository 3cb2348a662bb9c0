internal import FoundationEssentials
internal import Glibc

/// Finds the manifest files under the given paths.
struct FileTree {
    /// What tells one version of a file from another without reading it.
    struct Signature: Equatable {
        var device: UInt
        var inode: UInt
        var size: Int
        var modifiedSeconds: Int
        var modifiedNanoseconds: Int

        /// A signature that no file has.
        init() {
            self.init(device: 0, inode: 0, size: -1, modifiedSeconds: 0, modifiedNanoseconds: 0)
        }

        init(device: UInt, inode: UInt, size: Int, modifiedSeconds: Int, modifiedNanoseconds: Int) {
            self.device = device
            self.inode = inode
            self.size = size
            self.modifiedSeconds = modifiedSeconds
            self.modifiedNanoseconds = modifiedNanoseconds
        }

        /// Modified within the last half second.
        var isFresh: Bool {
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let age = (now.tv_sec - modifiedSeconds) * 1000 + (now.tv_nsec - modifiedNanoseconds) / 1_000_000
            return (0..<500).contains(age)
        }
    }

    struct Found {
        /// Files in the order of the paths given, inside folders by name.
        var files: [(path: String, signature: Signature)] = []
        /// Folders whose changes can change what is found.
        var folders: Set<String> = []
        /// Paths that do not exist or cannot be listed, and why.
        var unreadable: [(path: String, problem: String)] = []
    }

    private static let extensions = [".yaml", ".yml", ".json"]
    private static let depth = 32

    static func find(_ paths: [String]) -> Found {
        var found = Found()
        var visited: Set<String> = []
        for path in paths { visit(path, level: 0, given: true, &found, &visited) }
        return found
    }

    static func isManifest(_ name: some StringProtocol) -> Bool { extensions.contains { name.hasSuffix($0) } }

    private static func visit(
        _ path: String,
        level: Int,
        given: Bool,
        _ found: inout Found,
        _ visited: inout Set<String>
    ) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let problem = String(cString: strerror(errno))
            if given { found.unreadable.append((path, problem)) }
            found.folders.insert(existingFolder(above: path))
            return
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            found.folders.insert(parent(of: path))
            // A link's target may be replaced without a change beside the link.
            if let target = resolved(path), target != path { found.folders.insert(parent(of: target)) }
            found.files.append((path, Signature(status)))
            return
        }
        guard level < depth, let real = resolved(path), visited.insert(real).inserted else { return }
        found.folders.insert(path)
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            found.unreadable.append((path, "the folder cannot be listed"))
            return
        }
        // Hidden names are editors' and Kubernetes' own (`..data` of a mounted ConfigMap).
        for name in names.sorted() where !name.hasPrefix(".") {
            let child = path.hasSuffix("/") ? path + name : "\(path)/\(name)"
            var childStatus = stat()
            let isFolder = stat(child, &childStatus) == 0 && childStatus.st_mode & S_IFMT == S_IFDIR
            if isFolder || isManifest(name) { visit(child, level: level + 1, given: false, &found, &visited) }
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func existingFolder(above path: String) -> String {
        var folder = parent(of: path)
        var status = stat()
        while folder != "/", folder != ".", stat(folder, &status) != 0 { folder = parent(of: folder) }
        return folder
    }

    private static func resolved(_ path: String) -> String? {
        guard let pointer = realpath(path, nil) else { return nil }
        defer { free(pointer) }
        return String(cString: pointer)
    }
}

extension FileTree.Signature {
    fileprivate init(_ status: stat) {
        self.init(
            device: UInt(status.st_dev),
            inode: UInt(status.st_ino),
            size: Int(status.st_size),
            modifiedSeconds: Int(status.st_mtim.tv_sec),
            modifiedNanoseconds: Int(status.st_mtim.tv_nsec)
        )
    }
}
