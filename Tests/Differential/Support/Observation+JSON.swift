import Foundation

/// Documents compared member by member: what stands in them, not how it is written.
extension Observation {
    /// Notes the members of a JSON body below `paths` in place of its text; members of a list that have names go by them.
    mutating func noteJSON(_ body: [UInt8], at place: String, _ paths: [String]) {
        guard let value = try? JSONSerialization.jsonObject(with: Data(body), options: .fragmentsAllowed) else {
            return
        }
        for part in ["body", "framing", "headers.content-length", "headers.transfer-encoding"] {
            self["\(place).\(part)"] = nil
        }
        var facts: [String: String] = [:]
        Self.flatten(value, "", into: &facts)
        for (path, text) in facts
        where paths.contains(where: { path == $0 || path.hasPrefix($0 + ".") || path.hasPrefix($0 + "[") }) {
            self["\(place).json.\(path)"] = text
        }
    }

    private static func flatten(_ value: Any, _ path: String, into facts: inout [String: String]) {
        switch value {
        case let members as [String: Any]:
            for (name, member) in members { flatten(member, path.isEmpty ? name : "\(path).\(name)", into: &facts) }
        case let items as [Any]:
            let names = items.map { item -> String? in
                let members = item as? [String: Any]
                return members?["name"] as? String ?? members?["@type"] as? String
            }
            let isNamed = Set(names).count == items.count
            for (index, item) in items.enumerated() {
                flatten(item, "\(path)[\(isNamed ? names[index] ?? "" : "\(index)")]", into: &facts)
            }
        default: facts[path] = "\(value)"
        }
    }
}
