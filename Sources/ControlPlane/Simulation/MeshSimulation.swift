import Glibc
import MeshAPI
import MeshState
import SwiftProtobuf
import XDS
import XDSTransport

/// A mesh in one process: manifests, snapshots, configurations and discovery sessions are the real ones; only the connections
/// are left out. Each proxy subscribes as a sidecar does and acknowledges what it gets; replies are encoded to bytes.
package struct MeshSimulation {
    package struct Size: Sendable {
        package var services: Int
        package var endpoints: Int
        package var proxies: Int
        package var namespaces: Int
        /// Each namespace sees its own services only.
        package var isIsolated: Bool

        package init(services: Int, endpoints: Int, proxies: Int, namespaces: Int, isIsolated: Bool) {
            self.services = services
            self.endpoints = endpoints
            self.proxies = proxies
            self.namespaces = min(namespaces, services)
            self.isIsolated = isIsolated
        }
    }

    private struct Proxy {
        var identity: ProxyIdentity
        var session = DiscoverySession(variant: .delta)
        var last: XDSTransport.ResourceSet?
    }

    /// What one change did.
    private struct Outcome {
        var milliseconds: Double
        var cpu: Double
        var bytes: Int
        /// Proxies that were sent something.
        var reached: Int
        /// When each of them was sent it, counted from the change.
        var delays: [Double]
        /// Scopes made whole, and resources made in scopes that were kept.
        var scopes = 0
        var resources = 0
    }

    private let size: Size
    private var pods: [MeshWorkload] = []
    private var proxies: [Proxy] = []
    private var documents: [(key: ResourceKey, resource: Resource)] = []
    private let settings = MeshSettings()

    package init(size: Size) {
        self.size = size
        for number in 0..<size.endpoints {
            let service = number % size.services
            pods.append(pod(number, service: service))
        }
        for number in 0..<size.proxies {
            let pod = pods[number % pods.count]
            let identity = ProxyIdentity(
                id: "sidecar~\(number)", role: .sidecar, ip: pod.ip,
                pod: number < pods.count ? pod.name : "\(pod.name)-\(number)", namespace: pod.namespace,
                labels: pod.labels
            )
            proxies.append(Proxy(identity: identity))
        }
        // Each manifest is a file of its own, so that an edit moves nothing else.
        documents = manifests().flatMap(decode)
    }

    private func namespace(of service: Int) -> String { "ns-\(service % size.namespaces)" }

    private func pod(_ number: Int, service: Int) -> MeshWorkload {
        MeshWorkload(
            name: "svc-\(service)-\(number)", namespace: namespace(of: service),
            ip: "10.\(200 + number / 65536).\(number / 256 % 256).\(number % 256)", workload: "svc-\(service)",
            labels: ["app": "svc-\(service)", "version": number / size.services % 2 == 0 ? "v1" : "v2"],
            serviceAccount: "svc-\(service)", ports: [.init(name: "http", number: 8080)]
        )
    }

    private func manifests() -> [String] {
        var text: [String] = []
        for number in 0..<size.services {
            let place = "{name: svc-\(number), namespace: \(namespace(of: number))}"
            text.append(
                """
                apiVersion: v1
                kind: Service
                metadata: \(place)
                spec: {selector: {app: svc-\(number)}, ports: [{name: http, port: 80, targetPort: 8080}]}
                """
            )
            // Every tenth service is routed.
            if number % 10 == 0 { text.append(route(number, percent: 10)) }
        }
        if size.isIsolated {
            for number in 0..<size.namespaces {
                text.append(
                    """
                    apiVersion: networking.istio.io/v1
                    kind: Sidecar
                    metadata: {name: default, namespace: ns-\(number)}
                    spec: {egress: [{hosts: ["./*"]}]}
                    """
                )
            }
        }
        return text
    }

    private func route(_ number: Int, percent: Int, policy: String = "") -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: svc-\(number), namespace: \(namespace(of: number))}
        spec:
          hosts: [svc-\(number)]
          http:
          - route:
            - {destination: {host: svc-\(number), subset: v1}, weight: \(100 - percent)}
            - {destination: {host: svc-\(number), subset: v2}, weight: \(percent)}
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: svc-\(number), namespace: \(namespace(of: number))}
        spec:
          host: svc-\(number)
          \(policy)
          subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
        """
    }

    private func decode(_ text: String) -> [(key: ResourceKey, resource: Resource)] {
        ManifestDecoder().decode(text, file: "mesh.yaml").compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
    }

    // MARK: Running

    /// The findings as lines of text.
    package mutating func run(rounds: Int) -> [String] {
        var lines = [
            "\(size.services) services, \(size.endpoints) pods, \(size.proxies) proxies in \(size.namespaces) namespaces"
                + (size.isIsolated ? ", each of which sees itself" : "")
        ]
        let builder = SnapshotBuilder(settings: settings)
        let begin = Clock.now
        var state = builder.build(MeshState.ResourceSet(documents), workloads: pods)
        lines.append("snapshot of everything: \(Clock.text(Clock.now - begin))")

        var configurations = ConfigurationBuilder(state.snapshot)
        let first = deliver(&configurations, since: Clock.now, cpu: Clock.cpu, subscribing: true)
        lines.append(
            "all proxies from nothing: \(Clock.text(first.milliseconds)), \(Clock.text(first.cpu)) of CPU,"
                + " \(first.bytes / max(1, first.reached)) bytes each"
        )

        var outcomes: [Outcome] = []
        for round in 0..<rounds {
            // A pod of some service goes away, and comes back in the next round.
            let service = (round / 2 * 7) % size.services
            let index = pods.firstIndex { $0.labels["app"] == "svc-\(service)" } ?? 0
            pods[index].ready = round % 2 == 1
            let start = Clock.now
            let cpu = Clock.cpu
            state.snapshot = state.snapshot.replacing(pods, generation: state.snapshot.generation + 1)
            outcomes.append(change(&configurations, to: state.snapshot, since: start, cpu: cpu))
        }
        lines.append(Self.summary("one endpoint changes", outcomes))

        for (what, share, policy) in [("VirtualService", 30, ""), ("DestinationRule", 30, "connectTimeout: ")] {
            outcomes = []
            for round in 0..<min(rounds, 10) {
                let text = route(
                    0, percent: share + (policy.isEmpty ? round : min(rounds, 10) - 1),
                    policy: policy.isEmpty ? "" : "trafficPolicy: {connectionPool: {tcp: {\(policy)\(round + 1)s}}}")
                let edits = edit(decode(text))
                let start = Clock.now
                let cpu = Clock.cpu
                state =
                    builder.edit(state, edits)
                    ?? builder.build(MeshState.ResourceSet(documents), workloads: pods, previous: state.snapshot)
                outcomes.append(change(&configurations, to: state.snapshot, since: start, cpu: cpu))
            }
            lines.append(Self.summary("one \(what) changes", outcomes))
        }
        lines.append("memory: \(Self.residentMebibytes()) MiB resident")
        return lines
    }

    /// Puts new versions of resources in their places; those that differ, as they were and as they are.
    private mutating func edit(_ next: [(key: ResourceKey, resource: Resource)]) -> [(old: Resource, new: Resource)] {
        var edits: [(old: Resource, new: Resource)] = []
        for (key, resource) in next {
            guard let place = documents.firstIndex(where: { $0.key == key }) else { continue }
            if documents[place].resource != resource { edits.append((documents[place].resource, resource)) }
            documents[place].resource = resource
        }
        return edits
    }

    private mutating func change(
        _ configurations: inout ConfigurationBuilder, to snapshot: MeshSnapshot, since start: Double, cpu: Double
    ) -> Outcome {
        let before = configurations.work
        configurations.advance(to: snapshot)
        var outcome = deliver(&configurations, since: start, cpu: cpu)
        outcome.scopes = configurations.work.scopes - before.scopes
        outcome.resources = configurations.work.resources - before.resources
        return outcome
    }

    private static func summary(_ what: String, _ outcomes: [Outcome]) -> String {
        let delays = outcomes.flatMap(\.delays).sorted()
        let last = outcomes.map(\.milliseconds).sorted()
        let reached = outcomes.map(\.reached).max() ?? 0
        let cpu = outcomes.map(\.cpu).reduce(0, +) / Double(max(1, outcomes.count))
        let bytes = outcomes.map(\.bytes).reduce(0, +) / max(1, outcomes.map(\.reached).reduce(0, +))
        let p99 = delays.isEmpty ? 0 : delays[min(delays.count - 1, delays.count * 99 / 100)]
        return
            "\(what): reaches \(reached) proxies, p50 \(Clock.text(delays.isEmpty ? 0 : delays[delays.count / 2])),"
            + " p99 \(Clock.text(p99)), slowest \(Clock.text(last.last ?? 0));"
            + " CPU \(Clock.text(cpu)) in all, \(Clock.text(cpu * 100 / Double(max(1, reached)))) per 100 proxies;"
            + " \(bytes) bytes to each; made: \(outcomes.map(\.scopes).max() ?? 0) scopes,"
            + " \(outcomes.map(\.resources).max() ?? 0) resources"
    }

    /// Gives every proxy what is its, and lets it acknowledge, until nobody waits for anything.
    private mutating func deliver(
        _ configurations: inout ConfigurationBuilder, since start: Double, cpu: Double, subscribing: Bool = false
    ) -> Outcome {
        var bytes = 0
        var reached = 0
        var delays: [Double] = []
        for index in proxies.indices {
            let set = configurations.build(for: proxies[index].identity)
            if let last = proxies[index].last, last.hasEqualContent(to: set) {
                proxies[index].last = set
                continue
            }
            proxies[index].last = set
            var replies = proxies[index].session.update(set)
            if subscribing { replies += subscribe(index) }
            var got = 0
            while let reply = replies.first {
                replies.removeFirst()
                got += Self.encodedSize(reply)
                replies += proxies[index].session.receive(.init(type: reply.type, nonce: reply.nonce))
            }
            guard got > 0 else { continue }
            bytes += got
            reached += 1
            delays.append(Clock.now - start)
        }
        return Outcome(
            milliseconds: Clock.now - start, cpu: Clock.cpu - cpu, bytes: bytes, reached: reached, delays: delays
        )
    }

    /// The subscriptions of a sidecar: all clusters, listeners and names; the endpoints and routes that those name.
    private mutating func subscribe(_ index: Int) -> [DiscoverySession.Reply] {
        guard let set = proxies[index].last else { return [] }
        var replies: [DiscoverySession.Reply] = []
        for type in [TypeURL.cluster, TypeURL.listener, TypeURL.nameTable] {
            replies += proxies[index].session.receive(.init(type: type))
        }
        for type in [TypeURL.endpoint, TypeURL.route] {
            let names = Array((set.shared?[type] ?? [:]).keys)
            if !names.isEmpty { replies += proxies[index].session.receive(.init(type: type, subscribe: names)) }
        }
        return replies
    }

    private static func encodedSize(_ reply: DiscoverySession.Reply) -> Int {
        (try? reply.wireBytes().count) ?? 0
    }

    private static func residentMebibytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var pages = [CChar](repeating: 0, count: 128)
        guard fgets(&pages, 128, file) != nil else { return 0 }
        let text = String(decoding: pages.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let parts = text.split(separator: " ")
        return (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE))) / 1_048_576
    }
}

/// Milliseconds.
private enum Clock {
    private static let start = ContinuousClock.now

    static var now: Double {
        let (seconds, attoseconds) = start.duration(to: .now).components
        return Double(seconds) * 1000 + Double(attoseconds) / 1e15
    }

    /// Of this process, all threads.
    static var cpu: Double { Double(clock()) / 1000 }

    static func text(_ milliseconds: Double) -> String {
        let tenths = Int((milliseconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}
