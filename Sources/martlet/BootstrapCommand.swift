import ArgumentParser
import FoundationEssentials
import Identity
import LocalMesh

/// `martlet bootstrap`: how peers that are not Martlet's proxy join the mesh.
struct BootstrapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bootstrap",
        abstract: "Write the bootstrap of a stock Envoy sidecar or of a proxyless gRPC program.",
        discussion: """
            The file names the control plane and who the workload is, with a token that proves it; keep it private. \
            Envoy: `envoy -c FILE`. gRPC: GRPC_XDS_BOOTSTRAP=FILE and targets such as xds:///reviews.default:9080.
            """
    )

    @Flag(help: "For a stock Envoy as a sidecar.")
    var envoy = false

    @Flag(help: "For a gRPC program without a proxy.")
    var grpc = false

    @Option(help: "The mesh's state directory.")
    var stateDir: String

    @Option(help: "HOST:PORT of the control plane (its --listen), which speaks TLS; without it STATE/xds.sock.")
    var address: String?

    @Option(
        help: """
            File with the authorities to believe the control plane by, as the program that reads the bootstrap sees it. \
            (default: --envoy has them in itself, --grpc names STATE/xds-ca.pem)
            """)
    var caFile: String?

    @Option(help: "The workload's pod name.")
    var pod: String

    @Option(help: "The workload's namespace.")
    var namespace = "default"

    @Option(help: "The workload's service account.")
    var serviceAccount = "default"

    @Option(help: "The workload's address.")
    var ip = "127.0.0.1"

    @Option(help: "A label of the workload, NAME=VALUE. Repeatable.")
    var label: [String] = []

    @Option(help: "Days until the token expires.")
    var days = 365

    @Option(help: "Envoy's admin port.")
    var adminPort = 15000

    @Option(help: "SO_MARK of what Envoy sends, for capture rules; 0 sets none.")
    var mark = 0

    func run() throws {
        guard envoy != grpc else { throw ValidationError("say one of --envoy and --grpc") }
        var labels: [String: String] = [:]
        for text in label {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ValidationError("--label: \"\(text)\" is not NAME=VALUE") }
            labels[parts[0]] = parts[1]
        }
        let socket = CommandPaths.absolute(stateDir) + "/xds.sock"
        var controlPlane = PeerBootstrap.ControlPlane.socket(socket)
        var trust = PeerBootstrap.Trust.file("")
        if let address {
            guard let address = CommandAddress(address), address.port > 0 else {
                throw ValidationError("--address: \"\(address)\" is not HOST:PORT")
            }
            controlPlane = .tcp(host: address.host, port: address.port)
            trust = try trustAnchors()
        }
        let token = WorkloadToken(
            audience: .xds, namespace: namespace, serviceAccount: serviceAccount, pod: pod,
            expires: Date().addingTimeInterval(Double(max(1, days)) * 86400)
        )
        .mint(key: try TokenKey(path: stateDir + "/token.key"))
        let node = ProxyBootstrap(
            role: .sidecar, address: ip, pod: pod, namespace: namespace, workload: pod,
            serviceAccount: serviceAccount, labels: WorkloadLabels.injected(labels, workload: pod), mesh: "mesh",
            socket: socket
        )
        let peer = PeerBootstrap(
            node: node, controlPlane: controlPlane, trust: trust, token: token, mark: mark, adminPort: adminPort
        )
        let text = try JSONText.encode(envoy ? peer.envoy : peer.grpc, pretty: true)
        print(String(decoding: text, as: UTF8.self))
    }

    private func trustAnchors() throws -> PeerBootstrap.Trust {
        if let caFile { return .file(caFile) }
        let path = CommandPaths.absolute(stateDir) + "/xds-ca.pem"
        if grpc { return .file(path) }
        guard let anchors = try? PrivateFile.read(path) else {
            throw ValidationError("\(path) is not there: a control plane with --listen writes it; start it first")
        }
        return .inline(anchors)
    }
}
