import CLinux
import Glibc

extension ChildProcesses.Request {
    /// The request in C's shape, valid during `body`.
    func withSpawn<Result>(_ body: (martlet_spawn) -> Result) -> Result {
        CStrings.with(words) { argv in
            CStrings.with(environment.map { "\($0.name)=\($0.value)" }) { envp in
                path.withCString { path in
                    CStrings.withOptional(directory) { directory in
                        CStrings.withOptional(hiddenFolder) { hidden in
                            descriptors.withUnsafeBufferPointer { descriptors in
                                body(
                                    martlet_spawn(
                                        path: path,
                                        argv: argv,
                                        envp: envp,
                                        directory: directory,
                                        fds: descriptors.baseAddress,
                                        fd_count: Int32(descriptors.count),
                                        net_namespace: namespaces?.net ?? -1,
                                        mount_namespace: namespaces?.mount ?? -1,
                                        uts_namespace: namespaces?.hostName ?? -1,
                                        drop_capabilities: dropCapabilities ? 1 : 0,
                                        hidden: hidden
                                    )
                                )
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Strings for the length of a call.
enum CStrings {
    /// A NULL-terminated array of C strings.
    static func with<Result>(
        _ strings: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        // SAFETY: every pointer is made here by strdup, stays until `body` has returned, and is freed once.
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("the array holds at least its NULL") }
            return body(base)
        }
    }

    static func withOptional<Result>(_ string: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
        guard let string else { return body(nil) }
        return string.withCString { body($0) }
    }
}
