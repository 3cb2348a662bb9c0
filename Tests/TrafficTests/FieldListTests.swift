import Foundation
import Testing
import Yams

/// The list of the fields that users of traffic resources have, against the cases that show them at work
/// (`Tests/MeshTests/Fields`).
@Suite struct FieldListTests {
    private static let tests: String = {
        let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return path.joined(separator: "/")
    }()
    private static var folder: String { "\(tests)/MeshTests/Fields" }

    private func document(_ name: String) throws -> Node {
        let text = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
        return try #require(try Yams.compose(yaml: text), "\(name) is empty")
    }

    /// Fields that some case lists.
    private func shown() throws -> Set<String> {
        var fields: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.folder)
        where name.hasSuffix(".yaml") && name != "base.yaml" && name != "checklist.yaml" {
            for test in try document(name)["cases"]?.sequence ?? [] {
                fields.formUnion(test["fields"]?.sequence?.compactMap(\.string) ?? [])
                if let one = test["fields"]?.scalar?.string { fields.insert(one) }
            }
        }
        return fields
    }

    @Test("Every field of the checklist has a case, and every case shows fields of the checklist")
    func cases() throws {
        let listed = Set(try document("checklist.yaml")["cases"]?.sequence?.compactMap(\.string) ?? [])
        let shown = try shown()
        #expect(listed.count > 200)
        #expect(listed.subtracting(shown).sorted() == [])
        #expect(shown.subtracting(listed).sorted() == [])
    }

    @Test("A test that the checklist names exists")
    func elsewhere() throws {
        var sources = ""
        let files = FileManager.default.enumerator(atPath: Self.tests)
        while let name = files?.nextObject() as? String {
            guard name.hasSuffix(".swift") else { continue }
            sources += try String(contentsOfFile: "\(Self.tests)/\(name)", encoding: .utf8)
        }
        for (field, test) in try document("checklist.yaml")["elsewhere"]?.mapping ?? [:] {
            let name = test.string ?? ""
            #expect(
                !name.isEmpty && sources.contains("func \(name)("), "\(field.string ?? ""): there is no test \(name)")
        }
    }
}
