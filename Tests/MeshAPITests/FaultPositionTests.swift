import MeshAPI
import Testing

/// What a user reads when a manifest is wrong: the place, the field, what was expected and what was probably meant.
@Suite struct FaultPositionTests {
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var expected: [String]

        init(_ name: String, _ text: String, _ expected: String...) {
            testDescription = name
            self.text = text
            self.expected = expected
        }
    }

    static let head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
    static let route = "  hosts: [a]\n  http:\n  - route: [{destination: {host: b}}]\n"

    static let cases = [
        Case(
            "unknown field with a near name",
            head + "spec:\n" + route + "    timeuot: 5s\n",
            "f.yaml:8:5: error: VirtualService default/a: spec.http[0].timeuot: unknown field; did you mean \"timeout\"?"
        ),
        Case(
            "snake case is pointed at camel case",
            head + "spec:\n" + route + "    direct_response: {status: 200}\n",
            "f.yaml:8:5: error: VirtualService default/a: spec.http[0].direct_response: unknown field;"
                + " did you mean \"directResponse\"?"
        ),
        Case(
            "bad duration",
            head + "spec:\n" + route + "    timeout: fast\n",
            "f.yaml:8:14: error: VirtualService default/a: spec.http[0].timeout:"
                + " expected a duration such as 10s, 1.5s or 250ms, found the text \"fast\""
        ),
        Case(
            "duration without unit",
            head + "spec:\n" + route + "    timeout: 5\n",
            "f.yaml:8:14: error: VirtualService default/a: spec.http[0].timeout:"
                + " expected a duration such as 10s, 1.5s or 250ms, found the number 5"
        ),
        Case(
            "text for a number",
            head + "spec:\n  hosts: [a]\n  http:\n  - route:\n    - destination: {host: b}\n      weight: \"5\"\n",
            "f.yaml:9:15: error: VirtualService default/a: spec.http[0].route[0].weight:"
                + " expected a whole number, found the text \"5\"; remove the quotes"
        ),
        Case(
            "number for a text",
            head + "spec:\n  hosts: [a]\n  http:\n  - match:\n    - headers: {x: {exact: 5}}\n"
                + "    route: [{destination: {host: b}}]\n",
            "f.yaml:8:28: error: VirtualService default/a: spec.http[0].match[0].headers[x].exact:"
                + " expected text, found the number 5; put it in quotes: \"5\""
        ),
        Case(
            "unknown value of an enumeration",
            "apiVersion: security.istio.io/v1beta1\nkind: PeerAuthentication\nmetadata: {name: d, namespace: p}\n"
                + "spec:\n  mtls:\n    mode: STRIKT\n",
            "f.yaml:6:11: error: PeerAuthentication p/d: spec.mtls.mode: unsupported value \"STRIKT\":"
                + " expected one of UNSET, DISABLE, PERMISSIVE, STRICT; did you mean \"STRICT\"?"
        ),
        Case(
            "list where a mapping belongs",
            head + "spec:\n- hosts\n",
            "f.yaml:4:1: error: VirtualService default/a: spec: expected a mapping, found a list",
            "f.yaml:5:1: error: VirtualService default/a: spec: one of http, tls, tcp must be set"
        ),
        Case(
            "misspelt kind",
            "apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: a}\n",
            "f.yaml:2:1: error: kind: unknown kind \"VirtualServise\"; did you mean \"VirtualService\"?"
        ),
        Case(
            "kind under the wrong group",
            "apiVersion: v1\nkind: Deployment\nmetadata: {name: a}\n",
            "f.yaml:1:1: error: apiVersion: Deployment belongs to apiVersion apps/v1"
        ),
        Case(
            "unknown version",
            "apiVersion: networking.istio.io/v9\nkind: Gateway\nmetadata: {name: a}\n",
            "f.yaml:1:1: error: apiVersion: unknown version \"v9\" of Gateway: expected one of v1, v1beta1, v1alpha3,"
                + " v1alpha1, v1alpha2"
        ),
        Case("missing kind", "apiVersion: v1\nmetadata: {name: a}\n", "f.yaml:1:1: error: kind is required"),
        Case(
            "malformed YAML",
            "kind: Service\n  name: [\n",
            "f.yaml:2:7: error: not valid YAML: mapping values are not allowed in this context"
        ),
        Case(
            "key given twice",
            head + "spec:\n" + route + "  hosts: [c]\n",
            "f.yaml:8:3: error: key \"hosts\" is given twice (first at line 5)"
        ),
        Case("unknown alias", "kind: *nobody\n", "f.yaml:1:7: error: unknown alias *nobody: no &nobody before it"),
        Case(
            "not a resource",
            "just: data\n",
            "f.yaml:1:1: warning: not a resource (no apiVersion and no kind), ignored"
        ),
        Case(
            "a policy that is not enforced says so",
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: w, namespace: p}\n"
                + "spec: {url: 'oci://x/y'}\n",
            "f.yaml:2:1: warning: WasmPlugin p/w: kind: WasmPlugin is not supported yet, ignored:"
                + " the extension is not run, and what it enforces is NOT enforced"
        ),
        Case(
            "a misspelled condition of a policy is refused",
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: p}\n"
                + "spec:\n  rules:\n  - when: [{key: 'request.header[x]', values: [a]}]\n",
            "f.yaml:6:13: error: AuthorizationPolicy p/a: spec.rules[0].when[0].key:"
                + " unknown attribute \"request.header[x]\"; did you mean \"request.headers[x]\"?"
        ),
        Case(
            "unknown field of a Kubernetes kind is a notice",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{port: 80}]\n  selectr: {app: a}\n",
            "f.yaml:6:3: warning: Service default/a: spec.selectr: unknown field, ignored; did you mean \"selector\"?"
        ),
        Case(
            "Kubernetes fields that mean nothing here are accepted",
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: a}
            spec:
              replicas: 2
              strategy: {type: Recreate}
              selector: {matchLabels: {app: a}}
              template:
                metadata: {labels: {app: a}}
                spec:
                  nodeSelector: {disk: ssd}
                  containers:
                  - name: a
                    image: a:1
                    imagePullPolicy: Always
                    resources: {limits: {cpu: 100m}}
                    securityContext: {runAsUser: 1000}
                    volumeMounts: [{name: tmp, mountPath: /tmp}]
                  volumes: [{name: tmp, emptyDir: {}}]
            """
        ),
        Case(
            "Kubernetes fields that change the meaning are warned about",
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: a}
            spec:
              hostNetwork: true
              containers: [{name: a, image: a}]
            """,
            "f.yaml:5:3: warning: Pod default/a: spec.hostNetwork: not supported, ignored: the pod gets its own network"
                + " and a sidecar"
        ),
        Case(
            "selector that does not match the template",
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: a}
            spec:
              selector: {matchLabels: {app: b}}
              template:
                metadata: {labels: {app: a}}
                spec: {containers: [{name: a, image: a}]}
            """,
            "f.yaml:5:3: error: Deployment default/a: spec.selector: app=b does not match the labels of the template"
        ),
    ]

    @Test(arguments: cases) func message(_ test: Case) {
        #expect(findings(test.text) == test.expected)
    }

    @Test func anErrorInOneDocumentDoesNotHideTheOthers() {
        let good = Self.head + "spec:\n" + Self.route
        let text = good + "---\nkind: [\n---\n" + good.replacing("name: a", with: "name: b")
        let documents = ManifestDecoder().decode(text, file: "f.yaml")
        #expect(documents.count == 3)
        #expect(documents.compactMap(\.resource).map(\.metadata.name) == ["a", "b"])
        #expect(documents[1].diagnostics.map(\.location.line) == [10])
    }

    @Test func placesInLaterDocumentsCountFromTheStartOfTheFile() throws {
        let text = "# comment\n---\n---\n" + Self.head + "spec:\n" + Self.route
        let resource = try #require(resources(text).first)
        guard case .virtualService(let service) = resource else {
            Issue.record("not a VirtualService")
            return
        }
        #expect(service.metadata.location == SourceLocation(file: "f.yaml", line: 4, column: 1))
        #expect(service.http[0].location == SourceLocation(file: "f.yaml", line: 10, column: 5))
        #expect(service.http[0].route[0].destination?.host.location.column == 34)
    }

    @Test func aListIsReadItemByItem() {
        let text = """
            apiVersion: v1
            kind: List
            items:
            - {apiVersion: v1, kind: Namespace, metadata: {name: a}}
            - {apiVersion: v1, kind: Namespace, metadata: {name: B_}}
            - {apiVersion: v1, kind: Namespace, metadata: {name: c}}
            """
        #expect(resources(text).map(\.metadata.name) == ["a", "c"])
        #expect(findings(text).count == 1)
    }

    @Test func jsonIsReadLikeYAML() {
        let text = """
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {"x": "1"}},
            \t"spec": {"ports": [{"port": 80, "name": "http"}], "selector": {"app": "a"}}}
            """
        #expect(findings(text) == [])
        #expect(resources(text).map(\.metadata.labels) == [["x": "1"]])
    }
}
