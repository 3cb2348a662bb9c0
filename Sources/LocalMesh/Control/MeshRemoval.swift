import Glibc

extension StateDirectory {
    /// Stops the mesh of this folder, however it is, and removes its sockets. Returns whether there was one. Blocks.
    package func stopMesh(within limit: Duration) throws -> Bool {
        guard access(path, F_OK) == 0 else { return false }
        var wasRunning = false
        if let client = MeshClient(self) {
            wasRunning = true
            try? client.stop()
        }
        let end = ContinuousClock.now.advanced(by: limit)
        while true {
            if let lock = try takeLock() {
                close(lock)
                break
            }
            wasRunning = true
            if ContinuousClock.now > end, let holder = lockHolder {
                // It does not answer. Its inner process goes with it.
                kill(holder, SIGKILL)
            }
            guard ContinuousClock.now < end.advanced(by: .seconds(5)) else {
                throw LocalMeshError.ended(
                    what: "the mesh in \(path)", how: "does not stop; process \(lockHolder ?? 0) holds its lock")
            }
            usleep(20_000)
        }
        let hadLeftovers = access(controlSocket, F_OK) == 0
        for file in [controlSocket, configurationSocket] { unlink(file) }
        return wasRunning || hadLeftovers
    }
}
