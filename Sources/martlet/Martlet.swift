import ArgumentParser

/// The one executable: control plane, sidecar and gateway proxy, local mesh and command line.
@main
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "A service mesh in one executable.",
        version: "0.1.0",
        subcommands: [
            UpCommand.self,
            DownCommand.self,
            StatusCommand.self,
            LogsCommand.self,
            ExecCommand.self,
            RunCommand.self,
            ExplainCommand.self,
            MutualTLSCommand.self,
            IdentityCommand.self,
            AuthorityCommand.self,
            MeshInitCommand.self,
            ControlPlaneCommand.self,
            BootstrapCommand.self,
            SimulateCommand.self,
            ExampleServiceCommand.self,
            ProxyCommand.self,
            ValidateCommand.self,
        ]
    )
}
