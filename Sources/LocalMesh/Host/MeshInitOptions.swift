/// What the outer process tells the inner one, as the argument of the hidden command.
package struct MeshInitOptions: Codable, Sendable, Equatable {
    package var mesh: String
    package var state: StateDirectory
    /// This program, absolute.
    package var executable: String
    /// Files and folders with configuration, absolute.
    package var configuration: [String]
    /// The `--local` file, absolute.
    package var local: String?
    package var concurrency: Int
    package var proxyLogLevel: String
    package var nft: String
    /// Whether pods may reach what is outside of the mesh.
    package var egress: Bool
    /// Further words of the control plane's command line.
    package var controlPlane: [String] = []

    package init(
        mesh: String,
        state: StateDirectory,
        executable: String,
        configuration: [String],
        local: String?,
        concurrency: Int,
        proxyLogLevel: String,
        nft: String,
        egress: Bool
    ) {
        self.mesh = mesh
        self.state = state
        self.executable = executable
        self.configuration = configuration
        self.local = local
        self.concurrency = concurrency
        self.proxyLogLevel = proxyLogLevel
        self.nft = nft
        self.egress = egress
    }

    /// The name of the hidden command.
    package static let command = "mesh-init"

    /// Which descriptor of the inner process is what.
    enum Descriptor {
        static let door: Int32 = 3
        static let control: Int32 = 4
        static let lifeline: Int32 = 5
        static let lock: Int32 = 6
    }
}
