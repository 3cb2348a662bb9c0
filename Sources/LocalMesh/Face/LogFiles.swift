import FoundationEssentials
import Glibc

/// Finds the logs of workloads in a state directory, of a mesh that runs or of one that has ended.
package struct LogFiles: Sendable {
    package enum Part: String, CaseIterable, Sendable {
        case app
        case proxy
        case access
    }

    package var state: StateDirectory

    package init(_ state: StateDirectory) {
        self.state = state
    }

    /// The log files of a pod, a workload or the control plane, by the name to show for each.
    package func find(_ name: String, part: Part) throws(LocalMeshError) -> [(title: String, path: String)] {
        switch name {
        case "control-plane": return [("control-plane", state.controlPlaneLog)]
        case "supervisor": return [("supervisor", state.supervisorLog)]
        default: break
        }
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        let wanted = parts.last ?? name
        var found: [(String, String)] = []
        var known: [String] = []
        for namespace in Self.names(state.pods) where parts.count < 2 || parts.first == namespace {
            for pod in Self.names("\(state.pods)/\(namespace)") {
                known.append("\(namespace)/\(pod)")
                guard pod == wanted || Self.belongs(pod, to: wanted) else { continue }
                found.append(("\(namespace)/\(pod)", "\(state.pod(namespace, pod))/\(part.rawValue).log"))
            }
        }
        guard !found.isEmpty else {
            throw .unknownWorkload(name: name, known: known + ["control-plane", "supervisor"])
        }
        return found
    }

    /// `reviews-v1-0` is a pod of `reviews-v1`.
    static func belongs(_ pod: String, to workload: String) -> Bool {
        guard pod.hasPrefix("\(workload)-") else { return false }
        return pod.dropFirst(workload.count + 1).allSatisfy(\.isNumber)
    }

    private static func names(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }
}

/// Reads a growing file piece by piece.
package struct LogTail: Sendable {
    package var path: String
    private var position = 0
    private var file: UInt64 = 0

    package init(path: String) {
        self.path = path
    }

    /// What was added since the last call; the whole file the first time. A file that was replaced is read anew.
    package mutating func next() -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var status = stat()
        fstat(descriptor, &status)
        if UInt64(status.st_ino) != file || Int(status.st_size) < position {
            file = UInt64(status.st_ino)
            position = 0
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 8 << 20 {
            let count = pread(descriptor, &buffer, buffer.count, position)
            guard count > 0 else { break }
            bytes += buffer[..<count]
            position += count
        }
        return bytes
    }
}
