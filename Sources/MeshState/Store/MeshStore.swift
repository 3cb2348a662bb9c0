internal import FoundationEssentials
package import MeshAPI

/// Watches manifests and the list of running pods, and makes a snapshot of every change.
///
/// A file that breaks does not take its resources away: see `FileSource`.
package actor MeshStore {
    private var files: FileSource
    private let workloadsPath: String?
    private let memoryPath: String?
    private let builder: SnapshotBuilder
    private let watcher = FileWatcher()

    private var resources: [(key: ResourceKey, resource: Resource)] = []
    private var workloads: [MeshWorkload] = []
    private var workloadsText: Data?
    private var current: MeshUpdate
    private var watched: Set<String> = []
    /// Findings of the last build, which stay true until the next.
    private var held: [Diagnostic] = []

    private let continuation: AsyncStream<MeshUpdate>.Continuation
    /// Every update after `load()`, newest state last; for one reader.
    package nonisolated let updates: AsyncStream<MeshUpdate>

    /// - Parameter memoryPath: a file that keeps the last good text of each manifest, so that a manifest which is broken while
    ///   the process starts does not take its resources away either.
    package init(
        paths: [String],
        workloadsPath: String? = nil,
        memoryPath: String? = nil,
        settings: MeshSettings = MeshSettings(),
        decoder: ManifestDecoder = ManifestDecoder()
    ) {
        let memory = memoryPath.flatMap { FileManager.default.contents(atPath: $0) }
        let texts = memory.flatMap { try? JSONDecoder().decode([String: String].self, from: $0) } ?? [:]
        files = FileSource(paths: paths, decoder: decoder, goodTexts: texts)
        self.memoryPath = memoryPath
        self.workloadsPath = workloadsPath
        builder = SnapshotBuilder(settings: settings)
        current = MeshUpdate(
            snapshot: .empty(settings: settings),
            diagnostics: [],
            changedResources: [],
            changedWorkloads: []
        )
        (updates, continuation) = AsyncStream.makeStream()
    }

    package var snapshot: MeshSnapshot { current.snapshot }
    package var diagnostics: [Diagnostic] { current.diagnostics }

    /// Reads everything once and returns the state; later changes come through `updates` while `run` runs.
    @discardableResult
    package func load() -> MeshUpdate {
        _ = refresh()
        return current
    }

    /// Watches until the task is cancelled, then finishes `updates`.
    package func run() async {
        defer { continuation.finish() }
        if current.snapshot.generation == 0 { publish() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [watcher] in
                // Where inotify has no watches left, or on file systems that it does not cover.
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(500))
                    if !watcher.isComplete { watcher.tick() }
                }
            }
            for await _ in watcher.ticks {
                await settle()
                publish()
            }
            group.cancelAll()
        }
    }

    /// Waits for a pause in the events, because a save is several of them; at most half a second.
    private func settle() async {
        for _ in 0..<10 {
            let before = watcher.events
            try? await Task.sleep(for: .milliseconds(50))
            if Task.isCancelled || watcher.events == before { return }
        }
    }

    private func publish() {
        if refresh() { continuation.yield(current) }
    }

    /// Looks again. Returns whether anything is different.
    private func refresh() -> Bool {
        let before = files.goodTexts
        let scan = files.scan()
        if files.goodTexts != before { remember() }
        var folders = scan.folders
        if let workloadsPath { folders.insert(FileTree.parent(of: workloadsPath)) }
        watcher.watch(folders)
        if folders != watched {
            // What changed between the look and the new watches would be missed.
            watched = folders
            watcher.tick()
        }
        if scan.isUnsettled { lookAgainSoon() }

        var findings = scan.diagnostics
        let pods = readWorkloads(&findings)
        let changedResources = Self.difference(resources, scan.resources)
        let changedWorkloads = Self.difference(workloads, pods)
        let isFirst = current.snapshot.generation == 0
        var update = current
        update.changedResources = changedResources
        update.changedWorkloads = changedWorkloads
        if isFirst || !update.isSnapshotUnchanged || Self.order(resources) != Self.order(scan.resources) {
            let isSameConfiguration =
                !isFirst && changedResources.isEmpty && Self.order(resources) == Self.order(scan.resources)
            let edits =
                isFirst || !changedWorkloads.isEmpty ? nil : Self.edits(resources, scan.resources, changedResources)
            resources = scan.resources
            workloads = pods
            if isSameConfiguration {
                // Only pods came, went or changed: what they touch is made anew.
                update.snapshot = current.snapshot.replacing(pods, generation: current.snapshot.generation + 1)
            } else {
                let known = SnapshotBuilder.Result(snapshot: current.snapshot, diagnostics: held)
                let result =
                    edits.flatMap { builder.edit(known, $0) }
                    ?? builder.build(
                        ResourceSet(resources), workloads: pods, previous: isFirst ? nil : current.snapshot)
                update.snapshot = result.snapshot
                held = result.diagnostics
            }
        }
        update.diagnostics = Self.sorted(findings + held)
        let isDifferent = isFirst || !update.isSnapshotUnchanged || update.diagnostics != current.diagnostics
        current = update
        return isDifferent
    }

    private func remember() {
        guard let memoryPath, let data = try? JSONEncoder().encode(files.goodTexts) else { return }
        try? data.write(to: URL(filePath: memoryPath), options: .atomic)
    }

    private func lookAgainSoon() {
        Task { [watcher] in
            try? await Task.sleep(for: .milliseconds(200))
            watcher.tick()
        }
    }

    private func readWorkloads(_ findings: inout [Diagnostic]) -> [MeshWorkload] {
        guard let workloadsPath else { return [] }
        // The last list stays in force, also when the file is away.
        guard let data = FileManager.default.contents(atPath: workloadsPath) else { return workloads }
        if data == workloadsText { return workloads }
        do {
            let list = try JSONDecoder().decode(WorkloadList.self, from: data)
            workloadsText = data
            return list.workloads
        } catch {
            let location = SourceLocation(file: workloadsPath, line: 1, column: 1)
            findings.append(
                Diagnostic(.error, at: location, "not a list of workloads: \(error); the last one stays in force"))
            return workloads
        }
    }

    // MARK: Differences

    private static func difference(
        _ before: [(key: ResourceKey, resource: Resource)],
        _ after: [(key: ResourceKey, resource: Resource)]
    ) -> Set<ResourceKey> {
        let old = Dictionary(before.map { ($0.key, $0.resource) }) { $1 }
        let new = Dictionary(after.map { ($0.key, $0.resource) }) { $1 }
        var changed = Set(new.filter { old[$0.key] != $0.value }.keys)
        changed.formUnion(old.keys.filter { new[$0] == nil })
        return changed
    }

    /// The changed resources as they were and as they are, when they are few and none came, went or moved.
    private static func edits(
        _ before: [(key: ResourceKey, resource: Resource)], _ after: [(key: ResourceKey, resource: Resource)],
        _ changed: Set<ResourceKey>
    ) -> [(old: Resource, new: Resource)]? {
        guard (1...16).contains(changed.count), order(before) == order(after) else { return nil }
        return zip(before, after).filter { changed.contains($1.key) }.map { (old: $0.resource, new: $1.resource) }
    }

    private static func difference(_ before: [MeshWorkload], _ after: [MeshWorkload]) -> Set<String> {
        Set(Set(before).symmetricDifference(after).map { "\($0.namespace)/\($0.name)" })
    }

    private static func order(_ resources: [(key: ResourceKey, resource: Resource)]) -> [ResourceKey] {
        resources.map(\.key)
    }

    private static func sorted(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
        diagnostics.sorted {
            ($0.severity == .error ? 0 : 1, $0.location) < ($1.severity == .error ? 0 : 1, $1.location)
        }
    }
}
