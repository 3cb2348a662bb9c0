import ControlPlane
import Explain
import Foundation
import MeshAPI
import MeshState
import Proxy
import TestSupport
import Testing

/// One file of cases.
struct PolicyCase: Decodable {
    struct Workload: Decodable {
        var namespace: String
        var labels: [String: String]
    }

    struct Request: Decodable {
        var `protocol`: String?
        var principal: String?
        var sourceIp: String?
        var remoteIp: String?
        var destIp: String?
        var destPort: UInt16?
        var sni: String?
        var method: String?
        var host: String?
        var path: String?
        var headers: [String: String]?
    }

    struct Entry: Decodable {
        var request: Request
        var expect: String?
        var expectStatus: Int?
        var why: String
    }

    var workload: Workload
    var rootNamespace: String?
    var requests: [Entry]

    static func load(_ path: String) throws -> (
        cases: PolicyCase, claims: [String?], snapshot: MeshSnapshot, pod: MeshWorkload
    ) {
        let data = try Data(contentsOf: URL(filePath: String(path.dropLast("yaml".count)) + "json"))
        let cases = try JSONDecoder().decode(PolicyCase.self, from: data)
        let raw = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        let claims = (raw?["requests"] as? [[String: Any]] ?? []).map { entry -> String? in
            guard let jwt = (entry["request"] as? [String: Any])?["jwt"] as? [String: Any] else { return nil }
            return (try? JSONSerialization.data(withJSONObject: jwt)).map { String(decoding: $0, as: UTF8.self) }
        }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let resources = ManifestDecoder().decode(text, file: path).compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
        var settings = MeshSettings()
        settings.rootNamespace = cases.rootNamespace ?? settings.rootNamespace
        let pod = MeshWorkload(
            name: "pod", namespace: cases.workload.namespace, ip: "10.10.10.10", workload: "pod",
            labels: cases.workload.labels)
        let snapshot = SnapshotBuilder(settings: settings).build(MeshState.ResourceSet(resources), workloads: [pod])
            .snapshot
        return (cases, claims, snapshot, pod)
    }
}

@Suite(
    "Policies as pure decisions",
    .enabled(
        if: ConformanceData.has("authz"), "no conformance data (MARTLET_CONFORMANCE, or ../shared/conformance)"))
struct PolicyConformanceTests {
    @Test("Authorization decides as the cases say", arguments: ConformanceData.files(in: "authz", suffix: ".yaml"))
    func authorization(_ path: String) throws {
        let (cases, claims, snapshot, pod) = try PolicyCase.load(path)
        let explanation = try AuthorizationExplanation(snapshot: snapshot, workload: pod)
        for (entry, claims) in zip(cases.requests, claims) {
            var question = PolicyQuestion()
            question.isRequest = entry.request.protocol != "tcp"
            question.method = entry.request.method ?? "GET"
            question.path = entry.request.path ?? "/"
            question.host = entry.request.host ?? ""
            question.headers = entry.request.headers ?? [:]
            question.principal = entry.request.principal.map { "spiffe://" + $0 }
            question.serverName = entry.request.sni ?? ""
            question.source = entry.request.sourceIp ?? "0.0.0.0"
            question.remote = entry.request.remoteIp ?? "0.0.0.0"
            question.destination = entry.request.destIp ?? "0.0.0.0"
            question.port = entry.request.destPort ?? 0
            question.claims = claims
            let answer = explanation.ask(question)
            #expect(answer.verdict.isAllowed == (entry.expect == "allow"), "\(entry.why): \(answer.reason)")
            if !answer.verdict.isAllowed { #expect(!answer.reason.isEmpty) }
        }
    }

    @Test(
        "Tokens are taken and refused as the cases say",
        arguments: ConformanceData.files(in: "requestauthn", suffix: ".yaml"))
    func tokens(_ path: String) throws {
        let (cases, _, snapshot, pod) = try PolicyCase.load(path)
        let tokensPath = URL(filePath: path).deletingLastPathComponent().appending(path: "tokens.json")
        let tokens = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: tokensPath))
        func filled(_ text: String) -> String {
            tokens.reduce(text) { $0.replacingOccurrences(of: "${\($1.key)}", with: $1.value) }
        }
        let explanation = try AuthorizationExplanation(snapshot: snapshot, workload: pod)
        for entry in cases.requests {
            var question = PolicyQuestion()
            question.method = entry.request.method ?? "GET"
            question.path = filled(entry.request.path ?? "/")
            question.headers = (entry.request.headers ?? [:]).mapValues(filled)
            question.time = 1_700_000_000
            let answer = explanation.ask(question)
            let status =
                switch answer.verdict.outcome {
                case .allowed: 200
                case .denied: 403
                case .tokenRefused(let status, _): Int(status)
                }
            #expect(status == entry.expectStatus, "\(entry.why): \(answer.reason)")
        }
    }
}
