import Proxy
import SwiftProtobuf
import Testing
import XDS

/// TLS settings of clusters in their JSON form: what cannot work is refused before traffic meets it.
@Suite("Compiling TLS")
struct TLSCompilerTests {
    private static let place = "transport_socket.typed_config.common_tls_context"
    private static let names = #""matchTypedSubjectAltNames":[{"sanType":"URI","matcher":{"exact":"spiffe://a/b"}}]"#

    private static func cluster(_ common: String) throws -> Envoy_Config_Cluster_V3_Cluster {
        MessageTypes.register()
        return try Envoy_Config_Cluster_V3_Cluster(
            jsonString: #"""
                {"name":"c","connectTimeout":"1s","transportSocket":{"name":"tls","typedConfig":{
                "@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "commonTlsContext":{\#(common)}}}}
                """#)
    }

    @Test(
        "what works, or will when its secrets come, is accepted",
        arguments: [
            "", #""tlsParams":{"tlsMinimumProtocolVersion":"TLSv1_0","tlsMaximumProtocolVersion":"TLSv1_2"}"#,
            #""tlsParams":{"cipherSuites":["ECDHE-ECDSA-AES128-GCM-SHA256"],"ecdhCurves":["P-256"]}"#,
            #""validationContext":{"trustChainVerification":"ACCEPT_UNTRUSTED"}"#,
            #""tlsCertificateSdsSecretConfigs":[{"name":"default"}],"combinedValidationContext":{"defaultValidationContext":{\#(names)},"validationContextSdsSecretConfig":{"name":"ROOTCA"}}"#,
        ])
    func accepts(common: String) throws {
        #expect(RuntimeCompiler().issues(in: try Self.cluster(common)).map(\.description) == [])
    }

    private static let refused: [(String, String, String)] = [
        (#""validationContext":{\#(names)}"#, ".validation_context.trusted_ca", "a trusted_ca"),
        (
            #""combinedValidationContext":{"defaultValidationContext":{\#(names)}}"#,
            ".combined_validation_context.default_validation_context.trusted_ca", "a trusted_ca"
        ),
        (
            #""validationContext":{"trustedCa":{"environmentVariable":"MARTLET_TEST_UNSET"}}"#, "",
            "MARTLET_TEST_UNSET is not set"
        ),
        (#""validationContext":{"trustedCa":{"filename":"/nowhere/ca.pem"}}"#, "", "/nowhere/ca.pem cannot be read"),
        (#""validationContext":{"trustedCa":{"inlineString":"no PEM"}}"#, "", "no certificate found"),
        (#""tlsParams":{"cipherSuites":["NO-SUCH-SUITE"]}"#, "", "NO-SUCH-SUITE"),
        (#""tlsParams":{"ecdhCurves":["P-1"]}"#, "", "P-1"),
        (
            #""tlsParams":{"tlsMinimumProtocolVersion":"TLSv1_3","tlsMaximumProtocolVersion":"TLSv1_2"}"#, "",
            "the minimum is above the maximum"
        ),
        (
            #""tlsCertificates":[{"certificateChain":{"inlineString":"x"},"privateKey":{"inlineString":"y"}}]"#, "",
            "certificate chain"
        ),
        (
            #""tlsCertificateSdsSecretConfigs":[{"name":"default"}],"tlsParams":{"cipherSuites":["NO-SUCH-SUITE"]}"#,
            "", "NO-SUCH-SUITE"
        ),
        (
            #""validationContext":{"matchTypedSubjectAltNames":[{"sanType":"URI","matcher":{"exact":"a","ignoreCase":true}}],"trustChainVerification":"ACCEPT_UNTRUSTED"}"#,
            ".validation_context.match_typed_subject_alt_names[0].ignore_case", "not supported"
        ),
    ]

    @Test("what does not work is refused by its path", arguments: refused)
    func refuses(common: String, field: String, reason: String) throws {
        let issues = RuntimeCompiler().issues(in: try Self.cluster(common))
        #expect(issues.contains { $0.path == Self.place + field && $0.message.contains(reason) }, "\(issues)")
    }

    @Test(
        "a secret with checks that cannot be made is refused",
        arguments: [
            (#""verifyCertificateSpki":["x"]"#, "verify_certificate_spki[0]"),
            (#""verifyCertificateHash":["x"]"#, "verify_certificate_hash[0]"),
            (#""matchTypedSubjectAltNames":[{"sanType":"EMAIL","matcher":{"exact":"a"}}]"#, "san_type"),
        ])
    func secrets(field: String, path: String) throws {
        let secret = try Envoy_Extensions_TransportSockets_Tls_V3_Secret(
            jsonString: #"{"name":"s","validationContext":{\#(field)}}"#)
        let issues = RuntimeCompiler().issues(in: secret)
        #expect(issues.contains { $0.path.hasPrefix("validation_context.") && $0.path.hasSuffix(path) }, "\(issues)")
    }

    @Test(
        "a secret that brings names and no trust, or nothing at all, serves nobody and is told of",
        arguments: ["", names])
    func fieldsOfSecrets(fields: String) throws {
        var resources = XDSResources()
        resources.clusters["c"] = try Self.cluster(#""validationContextSdsSecretConfig":{"name":"s"}"#)
        resources.secrets["s"] = try Envoy_Extensions_TransportSockets_Tls_V3_Secret(
            jsonString: #"{"name":"s","validationContext":{\#(fields)}}"#)
        var compiler = RuntimeCompiler()
        let snapshot = compiler.snapshot(from: resources)
        #expect(snapshot.tlsContexts.count == 1 && snapshot.tlsContexts.allSatisfy { $0 == nil })
        #expect(compiler.failures.count == 1, "\(compiler.failures)")
    }
}

@Suite("Static resources")
struct StaticResourceTests {
    @Test("a name that is there twice is told of by its place")
    func repeated() throws {
        let configuration = try Bootstrap.parse(
            #"""
            {"static_resources":{"clusters":[{"name":"a"},{"name":"b"},{"name":"a"}],
            "secrets":[{"name":"s"},{"name":"s"}]}}
            """#, file: "b.json")
        let resources = XDSResources(static: configuration.staticResources)
        #expect(
            resources.repeated.map(\.path) == [
                "static_resources.clusters[2].name", "static_resources.secrets[1].name",
            ])
    }
}
