import LocalMesh
import MeshAPI
import Testing

@Suite struct ImageMapTests {
    @Test(arguments: [
        ("host:5000/app:1.2@sha256:abc", "host:5000/app"), ("app", "app"), ("app:latest", "app"),
        ("a/b@sha256:1", "a/b"),
    ])
    func tagAndDigestAreNoPartOfTheName(image: String, name: String) {
        #expect(ImageMap.name(of: image) == name)
    }

    @Test func theLongestNameWins() {
        let map = ImageMap(entries: [
            .init(image: "*", command: ["any"]), .init(image: "example/bookinfo-", command: ["short"]),
            .init(image: "example/bookinfo-reviews-v2", command: ["long"]),
        ])
        #expect(map.entry(for: "example/bookinfo-reviews-v2:1.20")?.command == ["long"])
        #expect(map.entry(for: "example/bookinfo-ratings:1.20")?.command == ["short"])
        #expect(map.entry(for: "other")?.command == ["any"])
        #expect(ImageMap().entry(for: "other") == nil)
    }

    @Test func aFileIsReadWithItsAliases() throws {
        let text = """
            images:
              - image: example/a
                command: &both [martlet, example-service]
                env: { LOG: debug }
              - image: example/b
                command: *both
                args: [--x]
                env:
                  - name: LOG
                    value: info
            """
        let (map, diagnostics) = ImageMap.decode(text, file: "local.yaml")
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        #expect(
            map.entries == [
                .init(
                    image: "example/a", command: ["martlet", "example-service"], environment: [.init("LOG", "debug")]),
                .init(
                    image: "example/b",
                    command: ["martlet", "example-service"],
                    arguments: ["--x"],
                    environment: [.init("LOG", "info")]
                ),
            ]
        )
    }

    @Test func aFaultHasItsPlace() throws {
        let (_, diagnostics) = ImageMap.decode("images:\n  - image: a\n    comand: [b]\n", file: "local.yaml")
        #expect(diagnostics.contains { "\($0)".hasPrefix("local.yaml:3:5: error") }, "\(diagnostics)")
    }
}
