import Foundation

/// What a mesh could leave behind on the host besides processes.
struct HostTraces: Equatable, CustomStringConvertible {
    var links: [String]
    var rules: String
    var mounts: [String]
    var namespaces: [String]

    init() {
        links = ((try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/net")) ?? []).sorted()
        // Only root may read rules; without root there is nothing on the host that a mesh could have changed.
        rules = geteuid() == 0 ? (try? run(["nft", "list", "ruleset"]).output) ?? "" : ""
        mounts = ((try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? "").split(separator: "\n").map
        {
            String($0)
        }
        namespaces = ((try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []).sorted()
    }

    var description: String {
        "links \(links)\nrules \(rules)\nmounts \(mounts.joined(separator: "\n"))\nnamespaces \(namespaces)"
    }
}
