import ArgumentParser

/// `martlet proxy`: the data plane, from an Envoy bootstrap.
struct ProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Run the sidecar or gateway proxy from an Envoy bootstrap."
    )

    @Option(name: .shortAndLong, help: "Bootstrap file, JSON or YAML.")
    var config: String

    func run() async throws {
        throw ValidationError("the data plane is not wired in yet")
    }
}
