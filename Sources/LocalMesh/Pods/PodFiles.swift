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
        try Files.write(HostsFile.resolver(namespace: template.namespace, sidecar: template.sidecar), to: resolver)
        guard template.sidecar || template.kind == .gateway else { return }
        let document = ProxyBootstrap(
            role: template.kind == .gateway ? .router : .sidecar,
            address: pod.address.description,
            pod: pod.name,
            namespace: template.namespace,
            workload: template.workload,
            serviceAccount: template.serviceAccount,
            labels: WorkloadLabels.injected(template.labels, workload: template.workload),
            mesh: pod.context.mesh,
            socket: pod.context.state.configurationSocket
        ).document
        try Files.write(try JSONText.encode(document, pretty: true), to: bootstrap)
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
    func proxyRequest(namespaces: PodNamespaces?) throws -> ChildProcesses.Request {
        let context = pod.context
        var words = [
            context.executable, "proxy", "-c", bootstrap, "--tokens", tokens, "--socket-mark",
            String(CaptureRules.mark),
            "--status-listen", "0.0.0.0:15021", "--prometheus-listen", "0.0.0.0:15090", "--access-log", accessLog,
            "--concurrency", String(context.concurrency), "--log-level", context.proxyLogLevel,
        ]
        var descriptors: [Int32] = [-1]
        let log = try Files.openLog(proxyLog)
        descriptors += [log, log]
        if pod.template.kind == .gateway {
            for port in pod.template.gatewayPorts {
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
            environment: context.surroundings.base + [EnvironmentVariable("HOSTNAME", pod.name)],
            descriptors: descriptors,
            namespaces: view
        )
    }
}
