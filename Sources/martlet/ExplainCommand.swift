import ArgumentParser
import Explain
import Foundation
import LocalMesh

/// `martlet explain URL`: where a call leads, whether it gets there, and which line of whose file says so.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say where a call leads and whether it gets there, and which line of which file decides.",
        discussion: """
            Nothing is sent: the proxies' own decisions are asked about the configuration of a running mesh, or about \
            manifests (--config). Each step names the resource and the line that decided: the route of the caller's \
            sidecar, mutual TLS between both, the policies of every pod that may answer.

            Exit status: 0 when the call gets through, 1 when it is refused.

            Examples:
              martlet explain http://api-service.production/api/users --from production/frontend
              martlet explain http://reviews:9080/reviews/1 --from default/productpage-v1 -H 'end-user: jason'
              martlet explain tcp://db.shop:5432 --from shop/cart --config examples/shop
            """
    )

    @Argument(help: "http://HOST[:PORT][/PATH], or tcp://HOST:PORT for a connection.")
    var url: String

    @Option(help: "Who calls: a pod or workload, NAMESPACE/NAME. Without it, somebody who has no proxy.")
    var from: String?

    @Option(name: [.customShort("X"), .long], help: "The request's method.")
    var method = "GET"

    @Option(
        name: [.customShort("H"), .customLong("header")], help: "A header of it, 'NAME: VALUE'. Repeatable.")
    var headers: [String] = []

    @Option(help: "Claims of the good token that the request brings, as a JSON object with iss and sub.")
    var claims: String?

    @Option(help: "The client's IP address, when it has no pod.")
    var source: String?

    @Option(
        name: .customLong("config"),
        help: "A file or folder with manifests, in the place of a running mesh. Repeatable.")
    var paths: [String] = []

    @Flag(help: "Print the steps as a JSON object.")
    var json = false

    @OptionGroup var selection: MeshSelection

    func run() throws {
        let mesh =
            try paths.isEmpty ? ExplainedMesh(stateDirectory: try selection.state.path) : ExplainedMesh(paths: paths)
        let explanation = try CallExplainer(mesh).explain(try question())
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(explanation), as: UTF8.self))
        } else {
            print(explanation.lines.joined(separator: "\n"))
        }
        if !explanation.isAllowed { throw ExitCode(1) }
    }

    private func question() throws -> CallQuestion {
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty,
            let scheme = parts.scheme, ["http", "https", "tcp"].contains(scheme)
        else { throw ValidationError("\"\(url)\" is not http://HOST[:PORT][/PATH] or tcp://HOST:PORT") }
        guard let port = parts.port ?? ["http": 80, "https": 443][scheme], (1...65535).contains(port) else {
            throw ValidationError("\"\(url)\" names no port")
        }
        var question = CallQuestion(host: host, port: port)
        question.caller = from
        question.isRequest = scheme != "tcp"
        question.method = method
        let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
        question.path = path + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
        for header in headers {
            let words = header.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard words.count == 2 else { throw ValidationError("-H \"\(header)\" is not 'NAME: VALUE'") }
            question.headers[words[0].lowercased()] = words[1]
        }
        question.claims = claims
        question.source = source
        question.time = UInt64(max(0, Date().timeIntervalSince1970))
        return question
    }
}
