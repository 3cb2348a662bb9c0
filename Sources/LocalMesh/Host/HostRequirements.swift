import CLinux
import Glibc

/// What the host must allow, and what to say when it does not.
package enum HostRequirements {
    /// Where nft is; it is often outside of an ordinary user's PATH.
    package static func nft(path: String?) throws(LocalMeshError) -> String {
        try tool("nft", package: "nftables", path: path)
    }

    private static func tool(_ name: String, package: String, path: String?) throws(LocalMeshError) -> String {
        let folders =
            (path ?? "").split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"]
        for folder in folders where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
        throw .missingTool(name: name, package: package)
    }

    /// The setting that stands in the way of the namespaces.
    ///
    /// - Parameter setting: reads a file under /proc/sys, nil when it does not exist.
    package static func explain(
        step: Int32,
        error: Int32,
        isRoot: Bool,
        setting: (String) -> String?
    ) -> LocalMeshError {
        let doing = "starting the mesh: \(String(cString: martlet_step_name(step)))"
        let text = String(cString: strerror(error))
        if let remedy = remedy(
            step: step, error: error, isRoot: isRoot, setting: { setting($0)?.filter { !$0.isWhitespace } })
        {
            return .refused(doing: doing, error: text, remedy: remedy)
        }
        return .system(doing: doing, error: text)
    }

    private static func remedy(step: Int32, error: Int32, isRoot: Bool, setting: (String) -> String?) -> String? {
        if setting("kernel/unprivileged_userns_clone") == "0", !isRoot {
            return
                "the kernel setting kernel.unprivileged_userns_clone is 0; as root: sysctl -w kernel.unprivileged_userns_clone=1"
        }
        for kind in ["user", "net", "mnt", "pid", "uts"] where setting("user/max_\(kind)_namespaces") == "0" {
            return
                "the kernel setting user.max_\(kind)_namespaces is 0; as root: sysctl -w user.max_\(kind)_namespaces=15000"
        }
        switch error {
        case ENOSPC, EUSERS:
            let limit = setting("user/max_user_namespaces") ?? "?"
            return
                "too many namespaces: user.max_user_namespaces is \(limit); as root: sysctl -w user.max_user_namespaces=15000"
        case EINVAL where step == MARTLET_STEP_CLONE.rawValue:
            return
                "this kernel is built without user, network, mount or process id namespaces (CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_PID_NS)"
        case EPERM, EACCES:
            if setting("kernel/apparmor_restrict_unprivileged_userns") == "1", !isRoot {
                return """
                    the kernel setting kernel.apparmor_restrict_unprivileged_userns is 1; \
                    as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
                    """
            }
            return """
                neither kernel.unprivileged_userns_clone nor user.max_user_namespaces stands in the way, so a security profile \
                does: in a container, start it with --security-opt seccomp=unconfined (Docker) or with SYS_ADMIN and NET_ADMIN
                """
        default: return nil
        }
    }
}
