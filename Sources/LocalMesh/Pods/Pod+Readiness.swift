import Glibc

/// Whether the pod's containers can take traffic.
extension Pod {
    func watchReadiness() async {
        await withTaskGroup(of: Void.self) { group in
            for container in template.containers {
                group.addTask { await self.watch(container) }
            }
        }
    }

    private func watch(_ container: PodTemplate.Container) async {
        let tcp = container.ports.first { $0.protocol == "TCP" }
        let declared = container.readiness
        guard let probe = declared ?? tcp.map({ ReadinessProbe(.tcp(port: $0.number)) }) else {
            return await watchProcess(container)
        }
        if declared != nil, probe.initialDelay > .zero { try? await Task.sleep(for: probe.initialDelay) }
        var failures = 0
        while !isStopping, !Task.isCancelled {
            let alive = running[container.name] != nil
            let answers = alive ? await isAnswered(probe, container) : false
            guard !isStopping else { return }
            // The process may have ended while it was being asked.
            if answers, running[container.name] != nil {
                failures = 0
                await setAnswering(container.name, true)
            } else {
                failures += 1
                if !alive || failures >= probe.failureThreshold { await setAnswering(container.name, false) }
            }
            // Until it is ready a moment matters, also when it has to become ready again.
            let pause: Duration = declared == nil ? .seconds(1) : min(probe.period, .seconds(1))
            let end = ContinuousClock.now.advanced(by: pause)
            repeat {
                try? await Task.sleep(for: .milliseconds(50))
            } while answering.contains(container.name) && ContinuousClock.now < end && !isStopping && !Task.isCancelled
        }
    }

    private func watchProcess(_ container: PodTemplate.Container) async {
        while !isStopping, !Task.isCancelled {
            await setAnswering(container.name, running[container.name] != nil)
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private func setAnswering(_ container: String, _ answers: Bool) async {
        if answers { answering.insert(container) } else { answering.remove(container) }
        let ready = answering.count == template.containers.count
        if ready != status.applicationReady {
            await set {
                $0.applicationReady = ready
                if ready { $0.phase = .running }
            }
        }
    }

    private func isAnswered(_ probe: ReadinessProbe, _ container: PodTemplate.Container) async -> Bool {
        guard let namespaces else { return false }
        let address = address.description
        let timeout = probe.timeout
        switch probe.question {
        case .tcp(let port):
            let probe = Probe(namespaces: namespaces, address: address, port: port, timeout: timeout)
            return await BackgroundThread.run { probe.accepts() }
        case .http(let port, let path, let headers):
            let probe = Probe(namespaces: namespaces, address: address, port: port, timeout: timeout)
            return await BackgroundThread.run {
                probe.get(path, headers: headers, limit: 1024).map { (200..<400).contains($0.status) } ?? false
            }
        case .command(let words):
            guard
                let path = try? Files.program(words.first ?? "", martlet: context.executable, environment: environment)
            else {
                return false
            }
            let request = ChildProcesses.Request(
                path: path, words: words, environment: environment, descriptors: [-1, -1, -1], namespaces: namespaces,
                dropCapabilities: true, hiddenFolder: context.state.path)
            guard let child = try? context.children.start(request) else { return false }
            let limit = Task { [context] in
                try await Task.sleep(for: timeout)
                context.children.signal(child, SIGKILL)
            }
            defer { limit.cancel() }
            return await context.children.end(of: child).succeeded
        }
    }
}
