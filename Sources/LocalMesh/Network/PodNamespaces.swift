import CLinux
import Glibc

/// The namespaces of one pod, held open by descriptors: nothing of them is left when this process ends.
package struct PodNamespaces: Equatable, Sendable {
    package var net: Int32
    package var mount: Int32
    package var hostName: Int32

    /// Lets go of them. They last as long as a process is in them.
    package func release() {
        close(net)
        close(mount)
        close(hostName)
    }
}

/// One thing to do in a pod's own view of the file system.
package enum PodMount: Equatable, Sendable {
    case bind(source: String, target: String)
    case memory(target: String)
    /// A writable layer over an existing folder, kept in `store`.
    case overlay(target: String, store: String)
    case folder(String)
    case file(String)
}

/// Makes pods' namespaces.
package struct PodNetwork: Sendable {
    private let bridge: Int32
    private let children: ChildProcesses
    private let nft: String

    /// Builds the bridge in the namespace of the calling process.
    package init(children: ChildProcesses, nft: String) throws(LocalMeshError) {
        var failure = martlet_failure()
        let index = martlet_make_bridge(
            "martlet0", AddressPool.bridge.networkOrder, Int32(AddressPool.prefix), &failure)
        guard index > 0 else { throw .step("building the bridge", failure) }
        bridge = index
        self.children = children
        self.nft = nft
    }

    /// - Parameters:
    ///   - rules: the file with the pod's firewall rules.
    ///   - log: a descriptor for what `nft` says.
    package func makePod(
        name: String,
        address: IPv4Address,
        mounts: [PodMount],
        rules: String?,
        log: Int32
    ) async throws -> PodNamespaces {
        let made = try await BackgroundThread.run { [self] in
            try make(name: name, address: address, mounts: mounts, rules: rules.map { [nft, "-f", $0] }, log: log)
        }
        let exit = await children.end(of: made.helper)
        guard exit.succeeded else {
            made.namespaces.release()
            throw LocalMeshError.refused(
                doing: "loading the firewall rules of pod \(name)",
                error: "nft \(exit)",
                remedy: "see supervisor.log; the kernel needs nf_tables with NAT (modules nft_chain_nat and nft_redir)"
            )
        }
        return made.namespaces
    }

    /// Loads rules into a pod that runs.
    package func load(rules: String, into namespaces: PodNamespaces, log: Int32) async throws {
        let request = ChildProcesses.Request(
            path: nft,
            words: [nft, "-f", rules],
            environment: [],
            descriptors: [-1, log, log],
            namespaces: namespaces
        )
        let exit = await children.end(of: try children.start(request))
        guard exit.succeeded else { throw LocalMeshError.ended(what: "nft -f \(rules)", how: exit.description) }
    }

    private func make(
        name: String,
        address: IPv4Address,
        mounts: [PodMount],
        rules: [String]?,
        log: Int32
    ) throws(LocalMeshError) -> (namespaces: PodNamespaces, helper: Int32) {
        var made = martlet_namespaces(net: -1, mount: -1, uts: -1)
        // Link names are short; the address is unique in the mesh.
        let link = "p\(address.value & 0xFFFF)"
        let strings = mounts.flatMap(\.paths)
        let helper = try children.begin("making the network of pod \(name)") { failure in
            link.withCString { link in
                name.withCString { hostName in
                    CStrings.with(rules ?? []) { rulesWords in
                        CStrings.with(strings) { paths in
                            let list = mounts.enumerated().map { position, mount in
                                martlet_mount(
                                    kind: mount.kind, source: paths[position * 2], target: paths[position * 2 + 1])
                            }
                            return list.withUnsafeBufferPointer { list in
                                var pod = martlet_pod(
                                    link: link,
                                    bridge: bridge,
                                    address: address.networkOrder,
                                    gateway: AddressPool.bridge.networkOrder,
                                    prefix: Int32(AddressPool.prefix),
                                    host_name: hostName,
                                    mounts: list.baseAddress,
                                    mount_count: Int32(list.count),
                                    rules_argv: rules == nil ? nil : rulesWords,
                                    log: log
                                )
                                return martlet_make_pod(&pod, &made, &failure)
                            }
                        }
                    }
                }
            }
        }
        return (PodNamespaces(net: made.net, mount: made.mount, hostName: made.uts), helper)
    }
}

extension PodMount {
    fileprivate var kind: Int32 {
        let kind =
            switch self {
            case .bind: MARTLET_MOUNT_BIND
            case .memory: MARTLET_MOUNT_MEMORY
            case .overlay: MARTLET_MOUNT_OVERLAY
            case .folder: MARTLET_MOUNT_FOLDER
            case .file: MARTLET_MOUNT_FILE
            }
        return Int32(kind.rawValue)
    }

    /// Source and target.
    fileprivate var paths: [String] {
        switch self {
        case .bind(let source, let target): [source, target]
        case .overlay(let target, let store): [store, target]
        case .memory(let target), .folder(let target), .file(let target): ["", target]
        }
    }
}
