import Glibc

extension Mesh {
    /// Runs the control plane for as long as the mesh does.
    package func keepControlPlane() async {
        var backoff = RestartBackoff.ours
        while !isStopping {
            let begin = ContinuousClock.now
            do {
                let log = try Files.openLog(options.state.controlPlaneLog)
                defer { close(log) }
                var words = [options.executable, "control-plane"]
                for path in options.configuration + [options.state.guests] { words += ["--config", path] }
                words += ["--state-dir", options.state.path] + options.controlPlane
                let child = try children.start(
                    ChildProcesses.Request(
                        path: options.executable,
                        words: words,
                        environment: options.environment,
                        descriptors: [-1, log, log]
                    )
                )
                controlPlaneProcess = child
                controlPlane = "running"
                let exit = await children.end(of: child)
                controlPlaneProcess = nil
                guard !isStopping else { return }
                controlPlane = "restarting"
                note("the control plane \(exit); it starts again, traffic goes on", isError: true)
            } catch {
                note("the control plane does not start: \(error)", isError: true)
            }
            try? await Task.sleep(for: backoff.delay(afterRunOf: begin.duration(to: .now)))
        }
    }

    /// Reads the proxies' counters while somebody looks.
    package func keepRates() async {
        while !isStopping {
            if watchedUntil > .now {
                await withTaskGroup(of: (String, Double)?.self) { group in
                    for entry in entries.values {
                        let pod = entry.pod
                        group.addTask {
                            guard let text = await pod.metrics() else { return nil }
                            let reporter = pod.template.kind == .gateway ? "source" : "destination"
                            return (pod.title, RequestRates.total(in: text, reporter: reporter))
                        }
                    }
                    for await case .some(let (title, count)) in group { rates.record(title, count: count, at: .now) }
                }
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    package func isBeingWatched() {
        watchedUntil = .now.advanced(by: .seconds(5))
    }
}
