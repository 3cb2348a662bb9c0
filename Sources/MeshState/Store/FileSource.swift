internal import FoundationEssentials
package import MeshAPI

/// Manifests in files and folders. Reads only what changed since the last scan, and keeps the last good version of a resource
/// while the document that should replace it is broken.
package struct FileSource: Sendable {
    package struct Scan: Sendable {
        /// Every resource in force, in the order of the files and of the documents in them.
        package var resources: [(key: ResourceKey, resource: Resource)]
        package var diagnostics: [Diagnostic]
        /// Folders to watch for changes.
        package var folders: Set<String>
        /// A file is being written at this moment: scan again soon.
        package var isUnsettled: Bool
    }

    private struct File: Sendable {
        var signature: FileTree.Signature
        var resources: [(key: ResourceKey, resource: Resource, weight: Int)]
        var diagnostics: [Diagnostic]
        /// The text, when nothing in it was wrong.
        var goodText: String?
    }

    package let paths: [String]
    private let decoder: ManifestDecoder
    private var files: [String: File] = [:]
    /// The last text of each file in which nothing was wrong. Given back to a new source, it stands in for files that are
    /// broken when that source sees them first.
    package private(set) var goodTexts: [String: String]

    package init(
        paths: [String],
        decoder: ManifestDecoder = ManifestDecoder(),
        goodTexts: [String: String] = [:]
    ) {
        self.paths = paths
        self.decoder = decoder
        self.goodTexts = goodTexts
    }

    package mutating func scan() -> Scan {
        let found = FileTree.find(paths)
        var scan = Scan(resources: [], diagnostics: [], folders: found.folders, isUnsettled: false)
        for (path, problem) in found.unreadable {
            scan.diagnostics.append(Diagnostic(.error, at: SourceLocation(file: path, line: 1, column: 1), problem))
        }
        var current: [String: File] = [:]
        var budget = NamespaceBudget(limit: decoder.limits.namespaceNodes)
        for (path, signature) in found.files where current[path] == nil {
            let before = files[path]
            if let before, before.signature == signature {
                current[path] = before
            } else if let before, signature.size == 0, !before.resources.isEmpty, signature.isFresh {
                // Truncated a moment ago: whoever writes it has not finished.
                current[path] = before
                scan.isUnsettled = true
            } else {
                current[path] = read(path, signature, before: before ?? remembered(path))
            }
            if let text = current[path]?.goodText { goodTexts[path] = text }
            scan.diagnostics += current[path]?.diagnostics ?? []
            for (key, resource, weight) in current[path]?.resources ?? [] {
                switch budget.spend(weight, on: key) {
                case .fits: scan.resources.append((key, resource))
                case .firstTooMuch: scan.diagnostics.append(budget.excess(of: key, in: path))
                case .tooMuch: break
                }
            }
        }
        files = current
        goodTexts = goodTexts.filter { current[$0.key] != nil }
        return scan
    }

    /// What a file said before this source was made, when that is known.
    private func remembered(_ path: String) -> File? {
        guard let text = goodTexts[path] else { return nil }
        let documents = decoder.decode(text, file: path)
        let resources = documents.compactMap { document in
            document.key.flatMap { key in
                document.resource.map { (key: key, resource: $0, weight: document.weight) }
            }
        }
        return File(signature: FileTree.Signature(), resources: resources, diagnostics: [])
    }

    private func read(_ path: String, _ signature: FileTree.Signature, before: File?) -> File {
        let start = SourceLocation(file: path, line: 1, column: 1)
        guard signature.size <= decoder.limits.fileBytes else {
            return failed(signature, before, at: start, "larger than \(decoder.limits.fileBytes) bytes")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            return failed(signature, before, at: start, "the file cannot be read")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            return failed(signature, before, at: start, "the file is not UTF-8 text")
        }
        let documents = decoder.decode(text, file: path)
        var file = File(signature: signature, resources: [], diagnostics: documents.flatMap(\.diagnostics))
        if !file.diagnostics.hasErrors { file.goodText = text }
        let last = Dictionary((before?.resources ?? []).map { ($0.key, $0) }) { $1 }
        for document in documents {
            guard let key = document.key else { continue }
            if let resource = document.resource {
                file.resources.append((key, resource, document.weight))
            } else if document.hasErrors, let resource = last[key] {
                file.resources.append(resource)
                file.diagnostics.append(stays(key, at: document.location))
            }
        }
        // Of a document that cannot be read nobody knows what it was: whatever is missing from the file now may be it.
        if let unreadable = documents.first(where: { $0.key == nil && $0.hasErrors }) {
            let named = Set(documents.compactMap(\.key))
            for resource in before?.resources ?? [] where !named.contains(resource.key) {
                file.resources.append(resource)
                file.diagnostics.append(stays(resource.key, at: unreadable.location))
            }
        }
        return file
    }

    private func stays(_ key: ResourceKey, at location: SourceLocation) -> Diagnostic {
        Diagnostic(.warning, at: location, resource: key.description, "the last good version stays in force")
    }

    private func failed(
        _ signature: FileTree.Signature,
        _ before: File?,
        at location: SourceLocation,
        _ problem: String
    ) -> File {
        File(
            signature: signature,
            resources: before?.resources ?? [],
            diagnostics: [Diagnostic(.error, at: location, problem)]
        )
    }
}
