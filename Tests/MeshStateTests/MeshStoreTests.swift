import FoundationEssentials
import Glibc
import MeshAPI
import MeshState
import Testing

/// A folder that is removed with the value's scope.
private final class Folder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/martlet-store-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes as editors do: a new file that is renamed over the old one.
    func replace(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(path)/.\(name).new", atomically: false, encoding: .utf8)
        guard rename("\(path)/.\(name).new", "\(path)/\(name)") == 0 else { throw POSIXFailure(code: errno) }
    }

    /// Writes into the file itself.
    func overwrite(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    struct POSIXFailure: Error { var code: Int32 }
}

@Suite struct MeshStoreTests {
    private let good = virtualService("v", "hosts: [a], http: [{name: one, \(route("a"))}]")

    private func names(_ snapshot: MeshSnapshot) -> [String] {
        snapshot.virtualServices.flatMap(\.http).compactMap(\.name)
    }

    /// Runs `store` and gives each update to `check` until it returns true.
    private func watch(_ store: MeshStore, until check: @Sendable @escaping (MeshUpdate) -> Bool) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await update in store.updates where check(update) { return true }; return false
            }
            group.addTask {
                await store.run(); return false
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(20)); return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
    }

    @Test(arguments: [true, false]) func aSavedFileIsSeen(_ byRename: Bool) async throws {
        let folder = try Folder()
        try folder.overwrite("a.yaml", good)
        let store = MeshStore(paths: [folder.path])
        #expect(names(await store.load().snapshot) == ["one"])
        let save = byRename ? folder.replace : folder.overwrite
        try save("a.yaml", good.replacing("one", with: "two"))
        let path = folder.path
        let seen = await watch(store) { update in
            update.snapshot.virtualServices.flatMap(\.http).compactMap(\.name) == ["two"]
                && update.changedResources.map(\.description) == ["VirtualService default/v"]
                && update.snapshot.virtualServices[0].location.file == "\(path)/a.yaml"
        }
        #expect(seen)
    }

    @Test func aFileInANewFolderIsSeen() async throws {
        let folder = try Folder()
        let store = MeshStore(paths: [folder.path])
        #expect(await store.load().snapshot.virtualServices.isEmpty)
        try FileManager.default.createDirectory(atPath: folder.path + "/more", withIntermediateDirectories: true)
        try good.write(toFile: folder.path + "/more/b.yml", atomically: false, encoding: .utf8)
        #expect(await watch(store) { !$0.snapshot.virtualServices.isEmpty })
    }

    /// Kubernetes mounts a ConfigMap as links through `..data`, which it swaps.
    @Test func aSwappedDataLinkIsSeen() async throws {
        let folder = try Folder()
        let manager = FileManager.default
        for (version, text) in [("..v1", good), ("..v2", good.replacing("one", with: "two"))] {
            try manager.createDirectory(atPath: "\(folder.path)/\(version)", withIntermediateDirectories: true)
            try text.write(toFile: "\(folder.path)/\(version)/a.yaml", atomically: false, encoding: .utf8)
        }
        try manager.createSymbolicLink(atPath: "\(folder.path)/..data", withDestinationPath: "..v1")
        try manager.createSymbolicLink(atPath: "\(folder.path)/a.yaml", withDestinationPath: "..data/a.yaml")
        let store = MeshStore(paths: [folder.path])
        #expect(names(await store.load().snapshot) == ["one"])
        try manager.createSymbolicLink(atPath: "\(folder.path)/..data_new", withDestinationPath: "..v2")
        #expect(rename("\(folder.path)/..data_new", "\(folder.path)/..data") == 0)
        #expect(await watch(store) { $0.snapshot.virtualServices.flatMap(\.http).compactMap(\.name) == ["two"] })
    }

    @Test(arguments: ["kind: [", "host: x\n", "apiVersion: networking.istio.io/v1\nkind: VirtualServise\n"])
    func aBrokenFileKeepsItsLastGoodResources(_ broken: String) async throws {
        let folder = try Folder()
        try folder.overwrite("a.yaml", good)
        try folder.overwrite("b.yaml", virtualService("w", "hosts: [b], http: [{name: other, \(route("b"))}]"))
        let store = MeshStore(paths: [folder.path])
        await store.load()
        try folder.replace("a.yaml", broken.hasPrefix("host") ? good.replacing("hosts: [a]", with: "hosts: 5") : broken)
        let update = await store.load()
        #expect(names(update.snapshot) == ["one", "other"])
        #expect(update.diagnostics.first?.severity == .error)
        #expect(update.diagnostics.contains { $0.message == "the last good version stays in force" })
        #expect(update.isSnapshotUnchanged)

        try folder.replace("a.yaml", good.replacing("one", with: "fixed"))
        let fixed = await store.load()
        #expect(names(fixed.snapshot) == ["fixed", "other"])
        #expect(fixed.diagnostics.isEmpty)
    }

    @Test func aFileThatIsBrokenAtTheStartIsRememberedFromBefore() async throws {
        let folder = try Folder()
        let memory = try Folder().path + "-memory.json"
        defer { try? FileManager.default.removeItem(atPath: memory) }
        try folder.overwrite("a.yaml", good)
        await MeshStore(paths: [folder.path], memoryPath: memory).load()
        try folder.replace("a.yaml", good.replacing("hosts: [a]", with: "hosts: 5"))
        let restarted = await MeshStore(paths: [folder.path], memoryPath: memory).load()
        #expect(names(restarted.snapshot) == ["one"])
        #expect(restarted.diagnostics.first?.severity == .error)

        try FileManager.default.removeItem(atPath: folder.path + "/a.yaml")
        let removed = await MeshStore(paths: [folder.path], memoryPath: memory).load()
        #expect(removed.snapshot.virtualServices.isEmpty)
    }

    @Test func aRemovedFileTakesItsResourcesAway() async throws {
        let folder = try Folder()
        try folder.overwrite("a.yaml", good)
        let store = MeshStore(paths: [folder.path])
        await store.load()
        try FileManager.default.removeItem(atPath: folder.path + "/a.yaml")
        #expect(await store.load().snapshot.virtualServices.isEmpty)
    }

    @Test func podsComeFromTheListOfWorkloads() async throws {
        let folder = try Folder()
        try folder.overwrite("a.yaml", service("a"))
        let list = WorkloadList(workloads: [pod("a-1", labels: ["app": "a"])])
        let store = MeshStore(paths: [folder.path + "/a.yaml"], workloadsPath: folder.path + "/workloads.json")
        #expect(await store.load().snapshot.workloads.isEmpty)
        try folder.replace("workloads.json", String(decoding: try JSONEncoder().encode(list), as: UTF8.self))
        let seen = await watch(store) { update in
            guard let service = update.snapshot.services.first else { return false }
            return update.snapshot.endpoints(of: service, port: 80).count == 1
                && update.changedWorkloads == ["default/a-1"] && update.changedResources.isEmpty
        }
        #expect(seen)
        try folder.replace("workloads.json", "{")
        let broken = await store.load()
        #expect(broken.snapshot.workloads.count == 1)
        #expect(broken.diagnostics.count == 1)
    }

    @Test func theDocumentedFormOfTheListIsRead() throws {
        let text = """
            {"workloads":[{"name":"reviews-v1-0","namespace":"default","ip":"10.244.0.7","workload":"reviews-v1",
            "labels":{"app":"reviews"},"serviceAccount":"bookinfo-reviews","ports":[{"name":"http","number":9080,
            "protocol":"TCP"}],"ready":true,"sidecar":true,"kind":"pod"}]}
            """
        let list = try JSONDecoder().decode(WorkloadList.self, from: Data(text.utf8))
        #expect(list.workloads.map(\.ip) == ["10.244.0.7"])
        #expect(list.workloads.map(\.kind) == [.pod])
    }
}
