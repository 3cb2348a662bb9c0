import MeshAPI
import Testing

/// Files are input from outside: whatever they hold, reading ends soon and with a message.
@Suite struct HostileInputTests {
    @Test func aliasesThatMultiplyAreRefused() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let references = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(references)]\n"
        }
        #expect(findings(text).contains { $0.contains("more than 1000000 values in one document") })
    }

    @Test func aliasesAsKeysAreRefused() {
        #expect(findings("a: &a [x]\n*a : y\n") == ["f.yaml:2:1: error: a key must be text, not a list"])
    }

    @Test(arguments: [("[", "]"), ("{a: ", "}"), ("- ", "")])
    func deepNestingIsRefused(_ open: String, _ close: String) {
        let text = String(repeating: open, count: 500) + "x" + String(repeating: close, count: 500)
        #expect(findings(text).contains { $0.contains("nested deeper than 100 levels") })
    }

    @Test func largeFilesAreRefused() {
        var limits = Limits()
        limits.fileBytes = 10
        #expect(
            findings("kind: Service\n", decoder: ManifestDecoder(limits: limits))
                == ["f.yaml:1:1: error: larger than 10 bytes"]
        )
    }

    @Test(arguments: [
        "\u{0}", "a: \u{7}\n", "%TAG ! x\n", "--- !!binary x\n", "&a *a\n", "? [a]\n", "\t", "...\n...",
        "<<: x\na: 1\n",
    ])
    func oddTextsAreReadToTheEnd(_ text: String) {
        _ = findings(text)
    }

    @Test func randomBytesOfAManifestAreReadToTheEnd() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let base = Array(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a, 'b', \"c\"]\n"
                .utf8
        )
        let alphabet = Array("{}[]:,-&*!|>'\"%@`#?~ \n\tax0.".utf8)
        for _ in 0..<2_000 {
            var bytes = base
            for _ in 0...next(6) {
                let index = next(bytes.count)
                switch next(3) {
                case 0: bytes[index] = alphabet[next(alphabet.count)]
                case 1: bytes.insert(alphabet[next(alphabet.count)], at: index)
                default: bytes.remove(at: index)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            for document in ManifestDecoder().decode(text, file: "f.yaml") {
                #expect(document.resource == nil || !document.hasErrors, "seed \(seed)")
            }
        }
    }

    @Test func mergeKeysFillInWhatIsMissing() {
        let text = """
            apiVersion: v1
            kind: Service
            metadata: {name: a}
            spec:
              ports:
              - &p {port: 80, name: http, protocol: TCP}
              - {<<: *p, port: 81, name: http-b}
            """
        guard case .service(let service)? = resources(text).first else {
            Issue.record("\(findings(text))")
            return
        }
        #expect(service.ports.map(\.number) == [80, 81])
        #expect(service.ports.map(\.name) == ["http", "http-b"])
    }
}
