import Foundation

/// Processes of this machine, read from /proc.
struct ProcessTable {
    struct Entry: Sendable {
        var id: Int32
        var parent: Int32
        var words: [String]

        var line: String { words.joined(separator: " ") }
    }

    private(set) var entries: [Int32: Entry] = [:]

    init() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let id = Int32(name), let entry = Self.read(id) else { continue }
            entries[id] = entry
        }
    }

    private static func read(_ id: Int32) -> Entry? {
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let commandLine = FileManager.default.contents(atPath: "/proc/\(id)/cmdline"),
            // The name in parentheses may hold anything: fields are counted from its end.
            let close = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 1, fields[0] != "Z", let parent = Int32(fields[1]) else { return nil }
        let words = commandLine.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return Entry(id: id, parent: parent, words: words)
    }

    /// Processes whose own command line, or whose ancestor's, names `folder`: all of a mesh with that state directory.
    func belonging(to folder: String) -> [Entry] {
        entries.values.filter { entry in
            var current: Entry? = entry
            while let one = current {
                if one.line.contains(folder) { return true }
                current = one.parent > 1 ? entries[one.parent] : nil
            }
            return false
        }
    }
}
