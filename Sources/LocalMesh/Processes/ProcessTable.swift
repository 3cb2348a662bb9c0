import FoundationEssentials
import Glibc

/// Processes as /proc shows them.
enum ProcessTable {
    /// Kills what is left in a pod: a process that left its session is not reached by a signal to it.
    static func kill(inNetworkNamespace descriptor: Int32) {
        // Where /proc could not be mounted anew it shows other numbers than ours.
        guard Files.linkTarget("/proc/self") == String(getpid()) else { return }
        var wanted = stat()
        guard fstat(descriptor, &wanted) == 0, let folder = opendir("/proc") else { return }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            // SAFETY: the entry is valid until the next readdir, and its name ends with NUL.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let process = Int32(name), process > 1 else { continue }
            var found = stat()
            if stat("/proc/\(process)/ns/net", &found) == 0, found.st_ino == wanted.st_ino,
                found.st_dev == wanted.st_dev
            {
                Glibc.kill(process, SIGKILL)
            }
        }
    }
}
