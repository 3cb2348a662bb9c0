import ControlPlane
import MeshAPI
import MeshState
import Testing
import XDS
import XDSTransport

/// What a change costs the control plane, in things made and sent: these counts are the same whatever the size of the mesh.
@Suite("The cost of a change")
struct ChangeCostTests {
    @Test("One endpoint: its cluster and its assignment, once for each scope, and one small message to each proxy")
    func endpoint() throws {
        let costs = [30, 300].map { services -> [Int] in
            var mesh = GrowingMesh(services: services)
            mesh.connect()
            mesh.pods[1].ready = false
            mesh.state.snapshot = mesh.state.snapshot.replacing(mesh.pods, generation: 2)
            return mesh.advance()
        }
        // Two namespaces are two scopes; svc-1 has one port, no subsets.
        #expect(costs[0] == [0, 4, 3, 3, 3])
        #expect(costs[0] == costs[1])
    }

    @Test("An edited VirtualService: one virtual host for each scope and one table to each proxy")
    func rules() throws {
        let costs = [30, 300].map { services -> [Int] in
            var mesh = GrowingMesh(services: services)
            mesh.connect()
            mesh.edit(GrowingMesh.route("weight: 70", "weight: 30"))
            return mesh.advance()
        }
        #expect(costs[0] == [0, 2, 3, 3, 3])
        #expect(costs[0] == costs[1])
    }

    @Test("An edited policy: the clusters of its host, once for each scope")
    func policy() throws {
        let costs = [30, 300].map { services -> [Int] in
            var mesh = GrowingMesh(services: services)
            mesh.connect()
            mesh.edit(GrowingMesh.policy("connectionPool: {tcp: {connectTimeout: 7s}}"))
            return mesh.advance()
        }
        // Each scope makes three clusters and their assignments; each proxy is sent the clusters, in one message.
        #expect(costs[0] == [0, 12, 3, 3, 9])
        #expect(costs[0] == costs[1])
    }

    @Test("What nobody sees is sent to nobody")
    func unseen() throws {
        var mesh = GrowingMesh(services: 30, isIsolated: true)
        mesh.connect()
        // svc-1 is in the namespace ns-1, where one of the three proxies is.
        mesh.pods[1].ready = false
        mesh.state.snapshot = mesh.state.snapshot.replacing(mesh.pods, generation: 2)
        #expect(mesh.advance() == [0, 2, 1, 1, 1])
    }

    @Test(
        "A change leads to what a new control plane would make",
        arguments: [
            GrowingMesh.route("weight: 1", "weight: 99"),
            GrowingMesh.route("weight: 90", "weight: 10", "timeout: 3s"),
            GrowingMesh.route("weight: 90", "weight: 10", "match: [{headers: {x-a: {exact: b}}}]"),
            GrowingMesh.route("weight: 90", "weight: 10", "match: [{sourceLabels: {app: svc-2}}]"),
            GrowingMesh.route("weight: 90", "weight: 10", "match: [{gateways: [mesh]}]"),
            GrowingMesh.route("weight: 90", "weight: 10", "fault: {abort: {httpStatus: 500, percentage: {value: 1}}}"),
            GrowingMesh.route("weight: 90", "weight: 10", "corsPolicy: {allowOrigins: [{exact: 'https://a'}]}"),
            GrowingMesh.route("weight: 90", "weight: 10")
                .replacing("http:", with: "tcp: [{route: [{destination: {host: svc-2}}]}]\n  http:"),
            GrowingMesh.route("weight: 90", "weight: 10").replacing("hosts: [svc-0]", with: "hosts: [svc-0, made.up]"),
            GrowingMesh.route("weight: 90", "weight: 10").replacing("subset: v2", with: "subset: gone"),
            GrowingMesh.route("weight: 90", "weight: 10").replacing("host: svc-0, subset: v1", with: "host: svc-3"),
            GrowingMesh.route("weight: 90", "weight: 10").replacing(
                "hosts: [svc-0]", with: "hosts: [svc-0]\n  exportTo: ['.']"),
            GrowingMesh.policy("connectionPool: {tcp: {connectTimeout: 7s}}"),
            GrowingMesh.policy("outlierDetection: {consecutive5xxErrors: 3}"),
            GrowingMesh.policy("tls: {mode: DISABLE}"),
            GrowingMesh.policy("loadBalancer: {simple: RANDOM}"),
            GrowingMesh.policy("loadBalancer: {simple: PASSTHROUGH}"),
            GrowingMesh.policy("connectionPool: {tcp: {idleTimeout: 10s}}", of: "database"),
            GrowingMesh.policy("connectionPool: {tcp: {connectTimeout: 7s}}", of: "sticky"),
            GrowingMesh.policy("loadBalancer: {consistentHash: {httpHeaderName: x-user}}"),
            GrowingMesh.policy("loadBalancer: {localityLbSetting: {failoverPriority: [app]}}"),
        ], [false, true])
    func equality(edit: String, isIsolated: Bool) throws {
        var mesh = GrowingMesh(services: 12, isIsolated: isIsolated)
        mesh.connect()
        var trial = mesh
        let edits = trial.replace(edit)
        #expect(!edits.isEmpty && edits.allSatisfy { $0.old != $0.new }, "the edit changes nothing")
        for text in [edit, GrowingMesh.route("weight: 50", "weight: 50"), GrowingMesh.policy(GrowingMesh.plain), edit] {
            mesh.edit(text)
            mesh.compare()
            // Of svc-2, and of svc-4, which has an alias.
            mesh.pods[4].ready.toggle()
            mesh.pods[8].ready.toggle()
            mesh.state.snapshot = mesh.state.snapshot.replacing(
                mesh.pods, generation: mesh.state.snapshot.generation + 1)
            mesh.compare()
        }
    }

    @Test("An edit of rules is taken as such only when nothing else changes")
    func edits() throws {
        let mesh = GrowingMesh(services: 12)
        let builder = SnapshotBuilder()
        func isTaken(_ text: String) -> Bool {
            var copy = mesh
            return builder.edit(mesh.state, copy.replace(text)) != nil
        }
        #expect(mesh.state.diagnostics.isEmpty)
        #expect(isTaken(GrowingMesh.route("weight: 1", "weight: 99")))
        #expect(isTaken(GrowingMesh.policy("connectionPool: {tcp: {connectTimeout: 7s}}")))
        #expect(!isTaken(GrowingMesh.policy("loadBalancer: {consistentHash: {httpHeaderName: x-user}}")))
        for (text, change) in [
            ("hosts: [svc-0]", "hosts: [svc-1]"), ("subset: v1", "subset: gone"), ("http:", "gateways: [g]\n  http:"),
        ] {
            #expect(!isTaken(GrowingMesh.route("weight: 1", "weight: 99").replacing(text, with: change)), "\(change)")
        }
    }
}

extension String {
    fileprivate func replacing(_ text: String, with other: String) -> String {
        guard let range = firstRange(of: text) else {
            Issue.record("no \(text) in \(self)")
            return self
        }
        return String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}

/// A mesh of any size with three proxies in two namespaces, their discovery sessions, and the means to change it.
private struct GrowingMesh {
    var documents: [(key: ResourceKey, resource: Resource)]
    var pods: [MeshWorkload] = []
    var state: SnapshotBuilder.Result
    var configurations: ConfigurationBuilder
    var identities: [ProxyIdentity] = []
    private var sessions: [DiscoverySession] = []
    private var sets: [XDSTransport.ResourceSet] = []

    init(services: Int, isIsolated: Bool = false) {
        var text: [String] = []
        for number in 0..<services {
            let place = "{name: svc-\(number), namespace: ns-\(number % 2)}"
            text.append(
                """
                apiVersion: v1
                kind: Service
                metadata: \(place)
                spec: {selector: {app: svc-\(number)}, ports: [{name: http, port: 80, targetPort: 8080}]}
                """)
            for version in ["v1", "v2"] {
                pods.append(
                    MeshWorkload(
                        name: "svc-\(number)-\(version)", namespace: "ns-\(number % 2)",
                        ip: "10.2.\(number / 100).\(number % 100 * 2 + (version == "v1" ? 0 : 1))",
                        workload: "svc-\(number)",
                        labels: ["app": "svc-\(number)", "version": version], serviceAccount: "default",
                        ports: [.init(name: "http", number: 8080)]))
            }
        }
        // A pod of svc-1 that is no proxy's own comes second, so that a test can say so.
        pods.swapAt(1, 3)
        text.append(Self.route("weight: 90", "weight: 10"))
        text.append(Self.policy(Self.plain))
        text += [
            ("sticky", "selector: {app: svc-2}, sessionAffinity: ClientIP, ports: [{name: http, port: 80}]"),
            ("database", "selector: {app: svc-2}, ports: [{name: tcp, port: 5432}]"),
            (
                "alias",
                "type: ExternalName, externalName: svc-4.ns-0.svc.cluster.local, ports: [{name: http, port: 80}]"
            ),
        ].map { name, spec in
            """
            apiVersion: v1
            kind: Service
            metadata: {name: \(name), namespace: ns-0}
            spec: {\(spec)}
            """
        }
        text.append(Self.policy("loadBalancer: {simple: RANDOM}", of: "sticky"))
        text.append(Self.policy("connectionPool: {tcp: {idleTimeout: 1h}}", of: "database"))
        if isIsolated {
            for number in 0..<2 {
                text.append(
                    """
                    apiVersion: networking.istio.io/v1
                    kind: Sidecar
                    metadata: {name: default, namespace: ns-\(number)}
                    spec: {egress: [{hosts: ["./*"]}]}
                    """)
            }
        }
        // Each manifest is a file of its own, so that an edit moves nothing else.
        documents = text.flatMap(Self.decode)
        state = SnapshotBuilder().build(MeshState.ResourceSet(documents), workloads: pods)
        configurations = ConfigurationBuilder(state.snapshot)
        for (number, namespace) in [(0, "ns-0"), (2, "ns-0"), (1, "ns-1")] {
            let pod = "svc-\(number)-v1"
            identities.append(
                ProxyIdentity(
                    id: pod, role: .sidecar, ip: "", pod: pod, namespace: namespace, labels: ["app": "svc-\(number)"]))
        }
    }

    static func route(_ first: String, _ second: String, _ more: String = "name: plain") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: svc-0, namespace: ns-0}
        spec:
          hosts: [svc-0]
          http:
          - \(more)
            route:
            - {destination: {host: svc-0, subset: v1}, \(first)}
            - {destination: {host: svc-0, subset: v2}, \(second)}
        """
    }

    static let plain = "connectionPool: {tcp: {connectTimeout: 5s}}"

    static func policy(_ settings: String, of service: String = "svc-0") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: \(service), namespace: ns-0}
        spec:
          host: \(service)
          trafficPolicy: {\(settings)}
          subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
        """
    }

    private static func decode(_ text: String) -> [(key: ResourceKey, resource: Resource)] {
        ManifestDecoder().decode(text, file: "mesh.yaml").compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
    }

    /// Opens the sessions of all proxies, with a sidecar's subscriptions, and answers until nothing more comes.
    mutating func connect() {
        for identity in identities {
            let set = configurations.build(for: identity)
            var session = DiscoverySession(variant: .delta)
            var replies = session.update(set)
            for type in [TypeURL.cluster, TypeURL.listener, TypeURL.nameTable] {
                replies += session.receive(.init(type: type))
            }
            for type in [TypeURL.endpoint, TypeURL.route] {
                replies += session.receive(.init(type: type, subscribe: Array(set[type].keys)))
            }
            _ = Self.answer(&session, replies)
            sessions.append(session)
            sets.append(set)
        }
    }

    private static func answer(_ session: inout DiscoverySession, _ first: [DiscoverySession.Reply]) -> Int {
        var replies = first
        var resources = 0
        while let reply = replies.first {
            replies.removeFirst()
            resources += reply.resources.count + reply.removed.count
            replies += session.receive(.init(type: reply.type, nonce: reply.nonce))
        }
        return resources
    }

    /// Hands the snapshot on. Returns: scopes made whole, resources or virtual hosts encoded, proxies that are sent something,
    /// messages, resources in them.
    mutating func advance() -> [Int] {
        let before = configurations.work
        configurations.advance(to: state.snapshot)
        var reached = 0
        var messages = 0
        var resources = 0
        for index in identities.indices {
            let set = configurations.build(for: identities[index])
            if sets[index].hasEqualContent(to: set) { continue }
            sets[index] = set
            let replies = sessions[index].update(set)
            guard !replies.isEmpty else { continue }
            reached += 1
            messages += replies.count
            resources += Self.answer(&sessions[index], replies)
        }
        let work = configurations.work
        return [work.scopes - before.scopes, work.resources - before.resources, reached, messages, resources]
    }

    /// Hands the snapshot on, and looks whether every proxy has what it would have from nothing.
    mutating func compare() {
        configurations.advance(to: state.snapshot)
        var fresh = ConfigurationBuilder(state.snapshot)
        for identity in identities {
            let made = configurations.build(for: identity)
            let wanted = fresh.build(for: identity)
            for type in TypeURL.pushOrder { #expect(made[type] == wanted[type], "\(identity.id): \(type)") }
        }
    }

    /// Puts newer versions of resources in their places; those that differ, as they were and as they are.
    mutating func replace(_ text: String) -> [(old: Resource, new: Resource)] {
        var edits: [(old: Resource, new: Resource)] = []
        for (key, resource) in Self.decode(text) {
            guard let place = documents.firstIndex(where: { $0.key == key }) else { continue }
            edits.append((documents[place].resource, resource))
            documents[place].resource = resource
        }
        return edits
    }

    mutating func edit(_ text: String) {
        let edits = replace(text)
        let builder = SnapshotBuilder()
        state =
            builder.edit(state, edits)
            ?? builder.build(MeshState.ResourceSet(documents), workloads: pods, previous: state.snapshot)
    }
}
