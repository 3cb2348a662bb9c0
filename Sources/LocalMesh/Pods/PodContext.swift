import FoundationEssentials
import Glibc
import Identity

/// What all pods of a mesh share.
package struct PodContext: Sendable {
    package var mesh: String
    package var state: StateDirectory
    /// This program, absolute.
    package var executable: String
    package var children: ChildProcesses
    package var network: PodNetwork
    package var surroundings: ContainerCommand.Surroundings
    package var tokens: TokenMint
    /// Worker threads of a sidecar.
    package var concurrency: Int
    package var proxyLogLevel: String
    /// An already listening socket of the host for a gateway's port.
    package var ingress: @Sendable (UInt16) throws -> Int32
    /// Addresses of names for pods that have no DNS proxy.
    package var hosts: @Sendable () async -> HostsFile
    package var serviceRules: @Sendable () async -> ServiceRules
    package var log: Int32
}

/// Makes the tokens of pods from the mesh's key.
package struct TokenMint: Sendable {
    private let make:
        @Sendable (_ namespace: String, _ serviceAccount: String, _ pod: String, _ isGateway: Bool) throws ->
            ProxyTokens

    package init(make: @escaping @Sendable (String, String, String, Bool) throws -> ProxyTokens) {
        self.make = make
    }

    package func mint(namespace: String, serviceAccount: String, pod: String, isGateway: Bool) throws -> ProxyTokens {
        try make(namespace, serviceAccount, pod, isGateway)
    }
}
