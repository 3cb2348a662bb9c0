import Glibc

/// The files of one pod in the state directory, and the proxy's command line that is made of them.
struct PodFiles {
    let pod: Pod

    var folder: String { pod.folder }
    var rules: String { "\(folder)/rules.nft" }
    var bootstrap: String { "\(folder)/bootstrap.json" }
    var tokens: String { "\(folder)/tokens.json" }
    var applicationLog: String { "\(folder)/app.log" }
    var proxyLog: String { "\(folder)/proxy.log" }
    var accessLog: String { "\(folder)/access.log" }
    private var hosts: String { "\(folder)/hosts" }
    private var resolver: String { "\(folder)/resolv.conf" }

    func write(hosts file: HostsFile) throws {
        let template = pod.template
        try Files.makeFolder(folder, mode: 0o700)
        try Files.write(file.text(pod: pod.name, address: pod.address.description), to: hosts)
        try Files.write(
            HostsFile.resolver(namespace: template.namespace, sidecar: template.sidecar && !usesEnvoy), to: resolver)
        guard template.sidecar || template.kind == .gateway else { return }
        try Files.write(try JSONText.encode(node.document, pretty: true), to: bootstrap)
    }

    /// Who the pod's proxy is.
    private var node: ProxyBootstrap {
        let template = pod.template
        return ProxyBootstrap(
            role: template.kind == .gateway ? .router : .sidecar,
            address: pod.address.description,
            pod: pod.name,
            namespace: template.namespace,
            workload: template.workload,
            serviceAccount: template.serviceAccount,
            labels: WorkloadLabels.injected(template.labels, workload: template.workload),
            mesh: pod.context.mesh,
            socket: pod.context.state.configurationSocket
        )
    }

    /// Annotation of pods whose sidecar is a stock Envoy (`envoy` on the PATH) instead of Martlet's proxy.
    static let proxyAnnotation = "martlet.dev/proxy"

    var usesEnvoy: Bool { pod.template.annotations[Self.proxyAnnotation] == "envoy" && pod.template.sidecar }

    /// Worker threads of the proxy; 0 is one per core.
    private var concurrency: Int { pod.template.proxyConcurrency ?? pod.context.concurrency }

    private var environment: [EnvironmentVariable] {
        pod.context.surroundings.base + [EnvironmentVariable("HOSTNAME", pod.name)]
            + pod.template.proxyEnvironment.sorted { $0.key < $1.key }.map { EnvironmentVariable($0.key, $0.value) }
    }

    private func envoyRequest(_ tokens: ProxyTokens, namespaces: PodNamespaces?) throws -> ChildProcesses.Request {
        let context = pod.context
        let peer = PeerBootstrap(
            node: node, controlPlane: .socket(context.state.configurationSocket), token: tokens.xds,
            mark: Int(CaptureRules.mark)
        )
        try Files.write(try JSONText.encode(peer.envoy, pretty: true), to: bootstrap, mode: 0o600)
        let log = try Files.openLog(proxyLog)
        return ChildProcesses.Request(
            path: "/usr/bin/env",
            words: [
                "env", "envoy", "-c", bootstrap, "--disable-hot-restart", "--concurrency", String(context.concurrency),
                "--log-level", context.proxyLogLevel,
            ],
            environment: context.surroundings.base + [EnvironmentVariable("HOSTNAME", pod.name)],
            descriptors: [-1, log, log],
            namespaces: namespaces.map { PodNamespaces(net: $0.net, mount: -1, hostName: $0.hostName) }
        )
    }

    func refresh(hosts file: HostsFile) throws {
        let text = file.text(pod: pod.name, address: pod.address.description)
        if Files.read(hosts) != text { try Files.overwrite(text, at: hosts) }
    }

    var mounts: [PodMount] {
        var mounts: [PodMount] = []
        // A minimal system may lack them, and then nothing reads them.
        if access("/etc/hosts", F_OK) == 0 { mounts.append(.bind(source: hosts, target: "/etc/hosts")) }
        if access("/etc/resolv.conf", F_OK) == 0 { mounts.append(.bind(source: resolver, target: "/etc/resolv.conf")) }
        return mounts
    }

    /// The caller closes descriptors 1 and 2 of it.
    func proxyRequest(_ tokens: ProxyTokens, namespaces: PodNamespaces?) throws -> ChildProcesses.Request {
        if usesEnvoy { return try envoyRequest(tokens, namespaces: namespaces) }
        let context = pod.context
        var words = [
            context.executable, "proxy", "-c", bootstrap, "--tokens", self.tokens, "--socket-mark",
            String(CaptureRules.mark),
            "--status-listen", "0.0.0.0:15021", "--prometheus-listen", "0.0.0.0:15090", "--access-log", accessLog,
            "--concurrency", String(concurrency), "--log-level", context.proxyLogLevel,
        ]
        var descriptors: [Int32] = [-1]
        let log = try Files.openLog(proxyLog)
        descriptors += [log, log]
        if pod.template.kind == .gateway {
            for port in pod.template.hostPorts {
                words += ["--listen-fd", "0.0.0.0:\(port)=\(descriptors.count)"]
                descriptors.append(try context.ingress(port))
            }
        } else {
            words += ["--dns-listen", "127.0.0.1:\(CaptureRules.dnsPort)"]
            words += ["--dns-upstream", "\(AddressPool.bridge):\(Egress.dnsPort)"]
        }
        // The proxy stays in the mesh's own view of the files: a pod's volumes must not hide its socket.
        let view = namespaces.map { PodNamespaces(net: $0.net, mount: -1, hostName: $0.hostName) }
        return ChildProcesses.Request(
            path: context.executable,
            words: words,
            environment: environment,
            descriptors: descriptors,
            namespaces: view
        )
    }
}
