import Glibc

/// The pod's proxy: started with fresh tokens, watched, started again.
extension Pod {
    func keepProxy() async {
        var backoff = RestartBackoff.ours
        while !isStopping, !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let request = try proxyRequest()
                let child = try launch("proxy", request)
                let watch = Task { await self.watchProxy() }
                let exit = await context.children.end(of: child)
                watch.cancel()
                running["proxy"] = nil
                guard !isStopping else { return }
                await set {
                    $0.proxyReady = false
                    $0.proxyRestarts += 1
                    $0.message = "its proxy \(exit)"
                }
            } catch {
                await set { $0.message = "\(error)" }
            }
            let delay = backoff.delay(afterRunOf: begin.duration(to: .now))
            try? await Task.sleep(for: delay)
        }
    }

    private func proxyRequest() throws -> ChildProcesses.Request {
        let tokens = try context.tokens.mint(
            namespace: template.namespace, serviceAccount: template.serviceAccount, pod: name,
            isGateway: template.kind == .gateway)
        let files = PodFiles(pod: self)
        try Files.write(try JSONText.encode(tokens), to: files.tokens, mode: 0o600)
        return try files.proxyRequest(tokens, namespaces: namespaces)
    }

    /// Follows the proxy's own word about itself as long as it runs.
    private func watchProxy() async {
        while !Task.isCancelled, !isStopping {
            let ready =
                PodFiles(pod: self).usesEnvoy
                ? await ask(port: 15000, path: "/ready", on: "127.0.0.1")
                : await ask(port: 15021, path: "/healthz/ready", on: "127.0.0.1")
            guard !Task.isCancelled, !isStopping else { return }
            if ready != status.proxyReady {
                await set {
                    $0.proxyReady = ready
                    if ready { $0.message = nil }
                }
            }
            try? await Task.sleep(for: ready ? .seconds(1) : .milliseconds(50))
        }
    }

    func waitForProxy() async throws {
        while !status.proxyReady {
            if isStopping { throw CancellationError() }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func ask(port: UInt16, path: String, on address: String) async -> Bool {
        guard let namespaces else { return false }
        let probe = Probe(namespaces: namespaces, address: address, port: port, timeout: .seconds(1))
        return await BackgroundThread.run { probe.get(path).map { (200..<400).contains($0.status) } ?? false }
    }
}
