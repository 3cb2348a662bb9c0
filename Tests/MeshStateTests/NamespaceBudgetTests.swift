import Foundation
import MeshAPI
import MeshState
import Testing

@Suite("One namespace's configuration against everybody else's")
struct NamespaceBudgetTests {
    private func scan(_ files: [String: String], limit: Int) throws -> FileSource.Scan {
        let folder = FileManager.default.temporaryDirectory.appending(path: "budget-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
        var limits = Limits()
        limits.namespaceNodes = limit
        var source = FileSource(paths: [folder.path], decoder: ManifestDecoder(limits: limits))
        return source.scan()
    }

    private func virtualService(_ number: Int, namespace: String, match: String = "prefix: /") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: v\(number), namespace: \(namespace)}
        spec:
          hosts: [h\(number).example.com]
          http: [{match: [{uri: {\(match)}}], route: [{destination: {host: echo}}]}]
        ---

        """
    }

    private func count(_ scan: FileSource.Scan, _ kind: String, in namespace: String) -> Int {
        scan.resources.count { $0.key.kind == kind && $0.key.namespace == namespace }
    }

    @Test("What does not fit is left out and said; others, and the operators, have all of theirs")
    func bounded() throws {
        let names = ["hostile", "shop", "istio-system"]
        let files = Dictionary(
            uniqueKeysWithValues: names.map { name in
                let number = name == "shop" ? 10 : 500
                return ("\(name).yaml", (0..<number).map { virtualService($0, namespace: name) }.joined())
            })
        let found = try scan(files, limit: 3000)
        #expect((50...150).contains(count(found, "VirtualService", in: "hostile")))
        #expect(count(found, "VirtualService", in: "shop") == 10)
        #expect(count(found, "VirtualService", in: "istio-system") == 500)
        let errors = found.diagnostics.filter { $0.severity == .error }
        #expect(errors.count == 1)
        #expect(errors.first?.message.contains("namespace hostile hold more than 3000 values") == true)
        #expect(errors.first?.location.file.hasSuffix("hostile.yaml") == true)
    }

    @Test("Expressions count by what they take compiled", arguments: ["regex: '/a.*'", "regex: '/(a{900}){1}'"])
    func expressions(_ match: String) throws {
        let plain = try scan(
            ["a.yaml": (0..<500).map { virtualService($0, namespace: "a") }.joined()], limit: 20_000)
        let costly = try scan(
            ["a.yaml": (0..<500).map { virtualService($0, namespace: "a", match: match) }.joined()], limit: 20_000)
        #expect(count(plain, "VirtualService", in: "a") == 500)
        #expect(count(costly, "VirtualService", in: "a") < 200)
    }

    @Test("No policy of security is left out: that would let someone in")
    func policies() throws {
        var text = (0..<200).map { virtualService($0, namespace: "a") }.joined()
        for number in 0..<200 {
            text += """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: p\(number), namespace: a}
                spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}
                ---

                """
        }
        let found = try scan(["a.yaml": text], limit: 1000)
        #expect(count(found, "AuthorizationPolicy", in: "a") == 200)
        #expect(count(found, "VirtualService", in: "a") < 60)
    }
}
