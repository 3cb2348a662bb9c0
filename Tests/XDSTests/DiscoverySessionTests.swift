import SwiftProtobuf
import Testing
import XDS
import XDSTransport

/// Resources for sessions: what they hold does not matter, only whether it changed.
private func set(
    _ generation: Int, clusters: [String: UInt32] = [:], endpoints: [String: UInt32] = [:],
    listeners: [String: UInt32] = [:], routes: [String: UInt32] = [:]
) -> ResourceSet {
    var set = ResourceSet(generation: generation)
    for (name, value) in clusters {
        var message = Envoy_Config_Cluster_V3_Cluster()
        message.name = name
        message.perConnectionBufferLimitBytes = .init(value)
        set.insert(message, named: name)
    }
    for (name, value) in endpoints {
        var message = Envoy_Config_Endpoint_V3_ClusterLoadAssignment()
        message.clusterName = name
        message.policy.overprovisioningFactor = .init(value)
        set.insert(message, named: name)
    }
    for (name, value) in listeners {
        var message = Envoy_Config_Listener_V3_Listener()
        message.name = name
        message.tcpBacklogSize = .init(value)
        set.insert(message, named: name)
    }
    for (name, value) in routes {
        var message = Envoy_Config_Route_V3_RouteConfiguration()
        message.name = name
        message.maxDirectResponseBodySizeBytes = .init(value)
        set.insert(message, named: name)
    }
    return set
}

private func subscribe(_ type: String, _ names: [String] = []) -> DiscoverySession.Request {
    .init(type: type, subscribe: names)
}

private func acknowledge(_ reply: DiscoverySession.Reply, names: [String] = []) -> DiscoverySession.Request {
    .init(type: reply.type, subscribe: names, nonce: reply.nonce)
}

@Suite("Discovery session, delta")
struct DeltaSessionTests {
    @Test("A first request is answered at once, also when there is nothing")
    func answersEmpty() {
        var session = DiscoverySession(variant: .delta)
        #expect(session.update(set(1)).isEmpty)
        let replies = session.receive(subscribe(TypeURL.listener))
        #expect(replies.count == 1)
        #expect(replies.first?.resources.isEmpty == true)
    }

    @Test("A wildcard gets everything, a name gets itself, an unknown name is said to be removed")
    func answersSubscriptions() throws {
        var session = DiscoverySession(variant: .delta)
        _ = session.update(set(1, clusters: ["a": 1, "b": 1], endpoints: ["a": 1]))
        let all = try #require(session.receive(subscribe(TypeURL.cluster)).first)
        #expect(Set(all.resources.keys) == ["a", "b"])
        let some = try #require(session.receive(subscribe(TypeURL.endpoint, ["a", "x"])).first)
        #expect(Set(some.resources.keys) == ["a"])
        #expect(some.removed == ["x"])
    }

    @Test("Only what changed is sent, additions before removals, each stage after the answer to the one before")
    func pushesInStages() throws {
        var session = DiscoverySession(variant: .delta)
        _ = session.update(set(1, clusters: ["old": 1, "same": 1], listeners: ["l": 1]))
        for type in [TypeURL.cluster, TypeURL.listener] {
            for reply in session.receive(subscribe(type)) { _ = session.receive(acknowledge(reply)) }
        }
        #expect(session.acknowledgedGeneration == 1)

        let first = session.update(set(2, clusters: ["new": 1, "same": 1], listeners: ["l": 2]))
        #expect(first.map(\.type) == [TypeURL.cluster])
        #expect(first.first?.resources.keys.sorted() == ["new"])
        #expect(first.first?.removed == [])
        #expect(session.acknowledgedGeneration == 1)

        let second = session.receive(acknowledge(try #require(first.first)))
        #expect(second.map(\.type) == [TypeURL.listener])
        let third = session.receive(acknowledge(try #require(second.first)))
        #expect(third.map(\.type) == [TypeURL.cluster])
        #expect(third.first?.removed == ["old"])
        #expect(session.receive(acknowledge(try #require(third.first))).isEmpty)
        #expect(session.acknowledgedGeneration == 2)
    }

    @Test("What a returning peer still holds is not sent again; what is gone is removed")
    func resumes() throws {
        let now = set(7, clusters: ["a": 1, "b": 2])
        var session = DiscoverySession(variant: .delta)
        _ = session.update(now)
        var request = subscribe(TypeURL.cluster)
        request.heldVersions = [
            "a": try #require(now[TypeURL.cluster]["a"]?.version), "b": "older", "gone": "whatever",
        ]
        let first = try #require(session.receive(request).first)
        #expect(first.resources.keys.sorted() == ["b"])
        let second = try #require(session.receive(acknowledge(first)).first)
        #expect(second.removed == ["gone"])
    }

    @Test("A rejection is kept, counts as an answer, and is not repeated until the resource changes")
    func keepsRejection() throws {
        var session = DiscoverySession(variant: .delta)
        _ = session.update(set(1, listeners: ["l": 1]))
        let reply = try #require(session.receive(subscribe(TypeURL.listener)).first)
        var refusal = acknowledge(reply)
        refusal.error = "l: filter_chains[0] is not supported"
        #expect(session.receive(refusal).isEmpty)
        #expect(session.rejections[TypeURL.listener]?.message == "l: filter_chains[0] is not supported")
        #expect(session.acknowledgedGeneration == 1)
        #expect(session.update(set(2, listeners: ["l": 1])).isEmpty)
        let again = try #require(session.update(set(3, listeners: ["l": 2])).first)
        _ = session.receive(acknowledge(again))
        #expect(session.rejections.isEmpty)
    }

    @Test("A resource that was unsubscribed is neither updated nor removed")
    func unsubscribes() throws {
        var session = DiscoverySession(variant: .delta)
        _ = session.update(set(1, endpoints: ["a": 1, "b": 1]))
        let reply = try #require(session.receive(subscribe(TypeURL.endpoint, ["a", "b"])).first)
        var request = acknowledge(reply)
        request.unsubscribe = ["a"]
        _ = session.receive(request)
        #expect(session.update(set(2, endpoints: ["a": 2, "b": 1])).isEmpty)
        #expect(session.update(set(3, endpoints: ["b": 1])).isEmpty)
    }
}

@Suite("Discovery session, state of the world")
struct StateOfTheWorldSessionTests {
    @Test("A reply carries all subscribed resources, and the old ones until their users are gone")
    func makesBeforeItBreaks() throws {
        var session = DiscoverySession(variant: .stateOfTheWorld)
        _ = session.update(set(1, clusters: ["old": 1], listeners: ["l": 1]))
        let clusters = try #require(session.receive(subscribe(TypeURL.cluster)).first)
        #expect(clusters.resources.keys.sorted() == ["old"])
        #expect(session.receive(acknowledge(clusters)).isEmpty)
        let listeners = try #require(session.receive(subscribe(TypeURL.listener)).first)
        #expect(session.receive(acknowledge(listeners)).isEmpty)

        let first = try #require(session.update(set(2, clusters: ["new": 1], listeners: ["l": 2])).first)
        #expect(first.resources.keys.sorted() == ["new", "old"])
        let second = try #require(session.receive(acknowledge(first)).first)
        #expect(second.type == TypeURL.listener)
        let third = try #require(session.receive(acknowledge(second)).first)
        #expect(third.resources.keys.sorted() == ["new"])
        #expect(session.receive(acknowledge(third)).isEmpty)
        #expect(session.acknowledgedGeneration == 2)
    }

    @Test("New names in an answer are a new subscription; an answer to an older response is ignored")
    func followsNames() throws {
        var session = DiscoverySession(variant: .stateOfTheWorld)
        _ = session.update(set(1, endpoints: ["a": 1, "b": 1]))
        let one = try #require(session.receive(subscribe(TypeURL.endpoint, ["a"])).first)
        let two = try #require(session.receive(acknowledge(one, names: ["a", "b"])).first)
        #expect(two.resources.keys.sorted() == ["a", "b"])
        #expect(session.receive(acknowledge(one, names: ["a"])).isEmpty)
        #expect(session.receive(acknowledge(two, names: ["a", "b"])).isEmpty)
    }

    @Test("The same content has the same version in every process")
    func versionsAreDigests() {
        let one = set(1, clusters: ["a": 1])[TypeURL.cluster]["a"]
        let two = set(9, clusters: ["a": 1])[TypeURL.cluster]["a"]
        let other = set(9, clusters: ["a": 2])[TypeURL.cluster]["a"]
        #expect(one == two)
        #expect(one != other)
    }
}
