/// Why the local mesh cannot do what was asked: what, where, and the next step.
package enum LocalMeshError: Error, Equatable, CustomStringConvertible {
    /// A system call failed.
    case system(doing: String, error: String)
    /// The kernel or a security module refuses; the text names the setting.
    case refused(doing: String, error: String, remedy: String)
    case missingTool(name: String, package: String)
    case alreadyRunning(mesh: String, process: Int32)
    case notRunning(mesh: String)
    case unknownWorkload(name: String, known: [String])
    case noCommand(container: String, image: String, workload: String)
    case unknownVariable(name: String, known: [String])
    case missingReference(kind: String, name: String, key: String?, wantedBy: String)
    case invalid(what: String, reason: String)
    case ended(what: String, how: String)
    case notReady(what: String, reason: String)

    package var description: String {
        switch self {
        case .system(let doing, let error): "\(doing): \(error)"
        case .refused(let doing, let error, let remedy): "\(doing): \(error)\n\(remedy)"
        case .missingTool(let name, let package):
            "the program '\(name)' is not installed; it is in the package \(package): apt-get install \(package)"
        case .alreadyRunning(let mesh, let process):
            "mesh '\(mesh)' is running already (process \(process)); `martlet down` stops it, --mesh starts another"
        case .notRunning(let mesh): "mesh '\(mesh)' is not running; `martlet up PATH` starts it"
        case .unknownWorkload(let name, let known):
            "there is no workload '\(name)'; running: \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        case .noCommand(let container, let image, let workload):
            """
            \(workload): container '\(container)' has no command that runs here and images are not pulled; \
            add an entry for image '\(image)' to a --local file
            """
        case .unknownVariable(let name, let known):
            "the variable ${\(name)} is not known; known are \(known.joined(separator: ", "))"
        case .missingReference(let kind, let name, let key, let wantedBy):
            "\(wantedBy): \(kind) '\(name)'\(key.map { " with key '\($0)'" } ?? "") does not exist"
        case .invalid(let what, let reason): "\(what): \(reason)"
        case .ended(let what, let how): "\(what) \(how)"
        case .notReady(let what, let reason): "\(what) is not ready: \(reason)"
        }
    }
}
