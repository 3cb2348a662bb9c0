import MeshAPI
import Testing

@Suite struct ScalarTests {
    @Test(arguments: [
        ("5s", 5_000), ("1.5s", 1_500), ("250ms", 250), ("1h30m", 5_400_000), ("0", 0), ("0s", 0), (".5s", 500),
        ("1m0.25s", 60_250),
    ])
    func durationsAreGoDurations(_ text: String, _ milliseconds: Int) {
        #expect(DurationText.parse(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "5", "s", "5 s", "1d", "5s5", "--5s", ".", "1..5s", "9999999999h", "5S"])
    func otherTextsAreNoDurations(_ text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(arguments: [("2s", "2s"), ("90s", "90s"), ("150ms", "150ms"), ("0s", "0s"), ("1ns", "1ns")])
    func durationsArePrinted(_ text: String, _ expected: String) {
        #expect(DurationText.parse(text).map(DurationText.format) == expected)
    }

    @Test(arguments: [
        ("timeuot", "timeout"), ("direct_response", "directResponse"), ("Hosts", "hosts"), ("rediract", "redirect"),
    ])
    func nearMissesAreSuggested(_ name: String, _ expected: String) {
        let names = ["hosts", "timeout", "directResponse", "redirect", "route"]
        #expect(Suggestion.nearest(to: name, among: names) == expected)
    }

    @Test func farNamesAreNotSuggested() {
        #expect(Suggestion.nearest(to: "banana", among: ["hosts", "timeout"]) == nil)
    }

    @Test(arguments: [
        "a", "[a-z]+", "(?i)a|b", "a{1,3}", "[]a]", "[^]]", "\\d+\\.", "(?P<x>a)", "^/v[0-9]+/.*$", "a*?",
    ])
    func expressionsOfRE2AreTaken(_ pattern: String) {
        #expect(RegexSyntax.fault(in: pattern) == nil)
    }

    @Test(arguments: ["[", "(a", "a)", "*a", "a**", "\\", "(?=a)", "(?<!a)", "(a)\\1"])
    func otherExpressionsAreRefused(_ pattern: String) {
        #expect(RegexSyntax.fault(in: pattern) != nil)
    }

    @Test func documentsAreCutAtMarkersOnly() {
        let parts = DocumentSplitter.split("a: 1\n---\n# nothing\n---\nb: |\n  ---x\n--- # c\nc: 1\n...\nd: 1\n")
        #expect(parts.map(\.firstLine) == [1, 4, 7, 10])
    }

    @Test(arguments: [
        ("a.com", "a.com", true), ("*.a.com", "b.a.com", true), ("*.a.com", "a.com", false), ("*", "x", true),
        ("*.foo.bar", "*.bar", true), ("*.a", "*.b", false),
    ])
    func hostsOverlap(_ a: String, _ b: String, _ expected: Bool) {
        #expect(HostRules.overlap(a, b) == expected)
        #expect(HostRules.overlap(b, a) == expected)
    }
}
