import FoundationEssentials
import Glibc

/// The folder of one mesh on the host: everything it keeps, and the sockets by which it is reached.
package struct StateDirectory: Equatable, Sendable, Codable {
    package var path: String

    package init(path: String) {
        self.path = path
    }

    /// `${XDG_STATE_HOME:-~/.local/state}/martlet/<mesh>`
    package static func standard(mesh: String, environment: [String: String]) throws(LocalMeshError) -> StateDirectory {
        if let state = environment["XDG_STATE_HOME"], !state.isEmpty {
            return StateDirectory(path: "\(state)/martlet/\(mesh)")
        }
        guard let home = environment["HOME"], !home.isEmpty else {
            throw .invalid(
                what: "the state directory", reason: "neither XDG_STATE_HOME nor HOME is set; use --state-dir")
        }
        return StateDirectory(path: "\(home)/.local/state/martlet/\(mesh)")
    }

    package var workloads: String { "\(path)/workloads.json" }
    package var status: String { "\(path)/status.json" }
    package var controlSocket: String { "\(path)/control.sock" }
    package var configurationSocket: String { "\(path)/xds.sock" }
    package var tokenKey: String { "\(path)/token.key" }
    package var lock: String { "\(path)/lock" }
    package var controlPlaneLog: String { "\(path)/control-plane.log" }
    package var supervisorLog: String { "\(path)/supervisor.log" }
    /// Why the mesh could not start, in words.
    package var failure: String { "\(path)/failure" }
    package var upLog: String { "\(path)/up.log" }
    package var pods: String { "\(path)/pods" }

    /// Services that `martlet run` brings along, as manifests.
    package var guests: String { "\(path)/guests" }

    package func pod(_ namespace: String, _ name: String) -> String { "\(pods)/\(namespace)/\(name)" }

    /// Makes the folder for its owner alone.
    package func create() throws(LocalMeshError) {
        // A Unix socket's address holds 108 bytes.
        guard controlSocket.utf8.count < 108 else {
            throw .invalid(
                what: "state directory \(path)", reason: "too long for a Unix socket; use a shorter --state-dir")
        }
        try Files.makeFolder(path, mode: 0o700)
        guard chmod(path, 0o700) == 0 else { throw Files.failure("protecting \(path)") }
    }

    /// Removes what an earlier mesh left: its sockets, its pods' files and its list of workloads. The authority's keys stay, so
    /// that a new mesh has the same root of trust.
    package func clean() {
        for file in [workloads, status, controlSocket, configurationSocket, controlPlaneLog, supervisorLog, failure] {
            unlink(file)
        }
        Files.removeTree(pods)
        Files.removeTree(guests)
    }

    /// 32 random bytes as hex, made if missing.
    package func ensureTokenKey() throws(LocalMeshError) {
        if access(tokenKey, F_OK) == 0 { return }
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef")
        var text = ""
        for _ in 0..<64 { text.append(digits[Int.random(in: 0..<16, using: &generator)]) }
        try Files.write(text + "\n", to: tokenKey, mode: 0o600)
    }

    /// A lock that lasts as long as a process holds its descriptor. nil: somebody else holds it.
    package func takeLock() throws(LocalMeshError) -> Int32? {
        let descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Files.failure("opening \(lock)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        let text = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
        return descriptor
    }

    /// The process that took the lock last.
    package var lockHolder: Int32? {
        Files.read(lock).flatMap { Int32($0.filter { $0.isNumber }) }
    }
}
