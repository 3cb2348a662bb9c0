import FoundationEssentials
import MeshAPI
import MeshState
import Testing

/// The examples that the README leads to are read without an error, and fit together.
@Suite struct ExamplesTests {
    private static let folder: String = {
        let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        return repository.joined(separator: "/") + "/examples"
    }()

    @Test(arguments: ["shop", "bookinfo/mesh", "mission/default", "mission/production"])
    func folderIsSound(_ name: String) {
        var source = FileSource(paths: ["\(Self.folder)/\(name)"])
        let scan = source.scan()
        #expect(!scan.resources.isEmpty)
        let errors = scan.diagnostics.filter { $0.severity == .error }
        #expect(errors == [])
        let references = SnapshotBuilder().build(ResourceSet(scan.resources)).diagnostics
        // The folders of the handbook hold alternatives of one resource, of which the last counts.
        #expect(references.filter { !$0.message.hasPrefix("replaces the same resource") } == [])
    }
}
