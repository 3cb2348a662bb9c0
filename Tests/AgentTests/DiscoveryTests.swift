import Agent
import Proxy
import SwiftProtobuf
import Testing
import XDS

private typealias Response = DiscoveryState.Response

private func cluster(_ name: String, eds: Bool = true) -> Google_Protobuf_Any {
    var cluster = Envoy_Config_Cluster_V3_Cluster()
    cluster.name = name
    if eds { cluster.type = .eds }
    return Google_Protobuf_Any(packing: cluster)
}

private func endpoints(_ name: String) -> Google_Protobuf_Any {
    var endpoints = Envoy_Config_Endpoint_V3_ClusterLoadAssignment()
    endpoints.clusterName = name
    return Google_Protobuf_Any(packing: endpoints)
}

private func listener(_ name: String, routes: String) -> Google_Protobuf_Any {
    var manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager()
    manager.rds.routeConfigName = routes
    var filter = Envoy_Config_Listener_V3_Filter()
    filter.name = "envoy.filters.network.http_connection_manager"
    filter.typedConfig = Google_Protobuf_Any(packing: manager)
    var chain = Envoy_Config_Listener_V3_FilterChain()
    chain.filters = [filter]
    var listener = Envoy_Config_Listener_V3_Listener()
    listener.name = name
    listener.filterChains = [chain]
    return Google_Protobuf_Any(packing: listener)
}

private func route(_ name: String) -> Google_Protobuf_Any {
    var route = Envoy_Config_Route_V3_RouteConfiguration()
    route.name = name
    return Google_Protobuf_Any(packing: route)
}

private func fresh(_ variant: DiscoveryState.Variant) -> DiscoveryState {
    DiscoveryState(
        variant: variant, wildcards: [TypeURL.cluster, TypeURL.listener], localSecrets: ["default", "ROOTCA"])
}

@Suite struct DiscoveryStateTests {
    @Test func aDeltaStreamSubscribesWildcardsThenNamesAsTheyAreReferredTo() {
        var state = fresh(.delta)
        let first = state.open()
        #expect(first.map(\.type) == [TypeURL.cluster, TypeURL.listener])
        let outcome = state.receive(
            Response(
                type: TypeURL.cluster, version: "1", nonce: "n1",
                resources: [
                    ("a", "va", cluster("a")), ("b", "vb", cluster("b")), ("c", "vc", cluster("c", eds: false)),
                ]
            ), now: 1, check: { _ in [] })
        #expect(outcome.problems.isEmpty)
        #expect(outcome.isChanged)
        #expect(outcome.requests.map(\.type) == [TypeURL.endpoint, TypeURL.cluster])
        #expect(outcome.requests[0].subscribe == ["a", "b"])
        #expect(outcome.requests[1].nonce == "n1")
        #expect(outcome.requests[1].error == nil)

        let removal = state.receive(
            Response(type: TypeURL.cluster, version: "2", nonce: "n2", resources: [], removed: ["a"]), now: 2,
            check: { _ in [] })
        #expect(removal.requests.map(\.unsubscribe) == [["a"], []])
        #expect(state.store.clusters.keys.sorted() == ["b", "c"])
    }

    @Test func reconnectingTellsWhatIsHeld() {
        var state = fresh(.delta)
        _ = state.open()
        _ = state.receive(
            Response(type: TypeURL.cluster, version: "1", nonce: "n", resources: [("a", "va", cluster("a"))]), now: 1,
            check: { _ in [] })
        _ = state.receive(
            Response(type: TypeURL.endpoint, version: "1", nonce: "m", resources: [("a", "ve", endpoints("a"))]),
            now: 1,
            check: { _ in [] })
        let requests = state.open()
        #expect(requests.map(\.type) == [TypeURL.cluster, TypeURL.listener, TypeURL.endpoint])
        #expect(requests[0].heldVersions == ["a": "va"])
        #expect(requests[0].subscribe == [])
        #expect(requests[2].heldVersions == ["a": "ve"])
        #expect(requests[2].subscribe == ["a"])
        #expect(requests.allSatisfy { $0.nonce.isEmpty })
    }

    @Test(arguments: [DiscoveryState.Variant.delta, .stateOfTheWorld])
    func aRefusedResourceIsNamedAndTheLastGoodOneStays(variant: DiscoveryState.Variant) throws {
        var state = fresh(variant)
        _ = state.open()
        func response(_ version: String, _ names: [String]) -> Response {
            Response(
                type: TypeURL.cluster, version: version, nonce: "n\(version)",
                resources: names.map { (variant == .delta ? $0 : "", "v\(version)", cluster($0)) })
        }
        _ = state.receive(response("1", ["a", "b"]), now: 1, check: { _ in [] })
        let outcome = state.receive(response("2", ["a", "b"]), now: 2) { resource in
            resource.name == "b" ? ["lb_policy: not supported yet"] : []
        }
        let answer = try #require(outcome.requests.last)
        #expect(answer.error == "Cluster b: lb_policy: not supported yet")
        #expect(answer.nonce == "n2")
        #expect(state.store.clusters["a"]?.version == "v2")
        #expect(state.store.clusters["b"]?.version == "v1")
        if variant == .stateOfTheWorld { #expect(answer.version == "1") }
        let mended = state.receive(response("3", ["a", "b"]), now: 3, check: { _ in [] })
        #expect(mended.requests.last?.error == nil)
        #expect(state.store.clusters["b"]?.version == "v3")
    }

    @Test func aFieldThatIsNotHonouredIsRefusedByItsPath() throws {
        var state = fresh(.delta)
        _ = state.open()
        // Field 1000 of a cluster does not exist.
        var any = cluster("a")
        any.value += [0xc2, 0x3e, 0x01, 0x00]
        let outcome = state.receive(
            Response(type: TypeURL.cluster, version: "1", nonce: "n", resources: [("a", "v", any)]), now: 1,
            check: { _ in [] })
        #expect(outcome.requests.last?.error?.contains("Cluster a: field 1000") == true)
        #expect(state.store.clusters.isEmpty)
    }

    @Test func stateOfTheWorldReplacesWildcardTypesAndRepeatsAllNames() {
        var state = fresh(.stateOfTheWorld)
        _ = state.open()
        _ = state.receive(
            Response(
                type: TypeURL.cluster, version: "1", nonce: "n1",
                resources: [("", "1", cluster("a")), ("", "1", cluster("b"))]), now: 1, check: { _ in [] })
        let outcome = state.receive(
            Response(type: TypeURL.cluster, version: "2", nonce: "n2", resources: [("", "2", cluster("b"))]), now: 1,
            check: { _ in [] })
        #expect(state.store.clusters.keys.sorted() == ["b"])
        #expect(outcome.requests[1].version == "2")
        #expect(outcome.requests[0].subscribe == ["b"])
        // Endpoints are not removed for being left out of a response.
        _ = state.receive(
            Response(type: TypeURL.endpoint, version: "1", nonce: "m", resources: [("", "1", endpoints("b"))]), now: 1,
            check: { _ in [] })
        _ = state.receive(
            Response(type: TypeURL.endpoint, version: "2", nonce: "m", resources: []), now: 1, check: { _ in [] })
        #expect(state.store.endpoints.keys.sorted() == ["b"])
    }

    @Test func responsesOfTypesThatWereNotAskedForAreIgnored() {
        var state = fresh(.delta)
        _ = state.open()
        let outcome = state.receive(
            Response(type: "type.googleapis.com/other", version: "1", nonce: "n", resources: []), now: 1,
            check: { _ in [] })
        #expect(outcome.requests.isEmpty)
        #expect(!outcome.isChanged)
    }
}

@Suite struct WarmingTests {
    private func advance(_ warming: inout Warming, _ state: DiscoveryState, _ now: ContinuousClock.Instant)
        -> ContinuousClock.Instant?
    {
        warming.advance(state.store, now: now, isSettled: { state.isSettled($0, type: $1) }, hasSecret: { _ in true })
    }

    /// The test macros cannot call a mutating function.
    private func served(_ warming: inout Warming, _ state: DiscoveryState) -> XDSResources {
        warming.resources(state.store)
    }

    @Test func aClusterServesWhenItsEndpointsHaveArrived() {
        var state = fresh(.delta)
        var warming = Warming()
        let start = ContinuousClock.now
        _ = state.open()
        _ = state.receive(
            Response(type: TypeURL.cluster, version: "1", nonce: "n", resources: [("a", "1", cluster("a"))]), now: 1,
            check: { _ in [] })
        do {
            let again = advance(&warming, state, start)
            #expect(again == start + Warming.patience)
        }
        do {
            let serving = served(&warming, state)
            #expect(serving.clusters.isEmpty)
        }
        #expect(warming.waiting == ["cluster a"])
        _ = state.receive(
            Response(type: TypeURL.endpoint, version: "1", nonce: "m", resources: [("a", "1", endpoints("a"))]), now: 1,
            check: { _ in [] })
        do {
            let again = advance(&warming, state, start)
            #expect(again == nil)
        }
        do {
            let serving = served(&warming, state)
            #expect(serving.clusters.keys.sorted() == ["a"])
        }
    }

    @Test func aNameThatDoesNotExistIsNotWaitedFor() {
        var state = fresh(.delta)
        var warming = Warming()
        _ = state.open()
        _ = state.receive(
            Response(type: TypeURL.cluster, version: "1", nonce: "n", resources: [("a", "1", cluster("a"))]), now: 1,
            check: { _ in [] })
        _ = state.receive(
            Response(type: TypeURL.endpoint, version: "1", nonce: "m", resources: [], removed: ["a"]), now: 1,
            check: { _ in [] })
        do {
            let again = advance(&warming, state, .now)
            #expect(again == nil)
        }
        do {
            let serving = served(&warming, state)
            #expect(serving.clusters.count == 1)
        }
    }

    @Test func waitingEndsAfterAWhile() {
        var state = fresh(.delta)
        var warming = Warming()
        let start = ContinuousClock.now
        _ = state.open()
        _ = state.receive(
            Response(
                type: TypeURL.listener, version: "1", nonce: "n", resources: [("l", "1", listener("l", routes: "r"))]),
            now: 1, check: { _ in [] })
        _ = advance(&warming, state, start)
        do {
            let serving = served(&warming, state)
            #expect(serving.listeners.isEmpty)
        }
        do {
            let again = advance(&warming, state, start + Warming.patience)
            #expect(again == nil)
        }
        do {
            let serving = served(&warming, state)
            #expect(serving.listeners.count == 1)
        }
    }

    @Test func theOldVersionServesWhileTheNewOneWaits() {
        var state = fresh(.delta)
        var warming = Warming()
        let start = ContinuousClock.now
        _ = state.open()
        func send(_ version: String, _ routes: String) {
            _ = state.receive(
                Response(
                    type: TypeURL.listener, version: version, nonce: version,
                    resources: [("l", version, listener("l", routes: routes))]), now: 1, check: { _ in [] })
        }
        func sendRoute(_ name: String) {
            _ = state.receive(
                Response(type: TypeURL.route, version: name, nonce: name, resources: [(name, "1", route(name))]),
                now: 1,
                check: { _ in [] })
        }
        func servedRoutes() -> Set<String> {
            served(&warming, state).listeners["l"].map { ResourceReferences($0).routes } ?? []
        }
        var serving: Set<String> = []
        send("1", "old")
        sendRoute("old")
        _ = advance(&warming, state, start)
        serving = servedRoutes()
        #expect(serving == ["old"])
        send("2", "new")
        _ = advance(&warming, state, start)
        serving = servedRoutes()
        #expect(serving == ["old"])
        do {
            let all = served(&warming, state)
            #expect(all.routes.keys.contains("old"), "the old version's routes are still needed")
        }
        sendRoute("new")
        _ = advance(&warming, state, start)
        serving = servedRoutes()
        #expect(serving == ["new"])
        _ = state.receive(
            Response(type: TypeURL.listener, version: "3", nonce: "3", resources: [], removed: ["l"]), now: 1,
            check: { _ in [] })
        _ = advance(&warming, state, start)
        serving = servedRoutes()
        #expect(serving.isEmpty)
    }
}

@Suite struct RetryTests {
    @Test func backoffGrowsToItsLimitAndStartsOver() {
        var backoff = Backoff(base: .milliseconds(100), limit: .seconds(1))
        for step in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next()
            #expect(wait >= .milliseconds(step / 2) && wait <= .milliseconds(step))
        }
        backoff.reset()
        let first = backoff.next()
        #expect(first <= .milliseconds(100))
    }

    @Test(
        arguments: [
            (0, 1000, 0, 0.0, 500_000), (0, 1000, 0, 1.0, 510_000), (0, 1000, 0, -1.0, 490_000), (0, 1000, 600, 0.0, 0),
            (0, 0, 10, 0.0, 0), (100, 50, 0, 0.0, 100_000),
        ] as [(Double, Double, Double, Double, Int64)])
    func certificatesAreRenewedAtHalfOfTheirLifetime(
        from: Double, until: Double, now: Double, jitter: Double, milliseconds: Int64
    ) {
        let wait = RenewalSchedule.wait(notBefore: from, notAfter: until, now: now, jitter: jitter)
        #expect(wait == .milliseconds(milliseconds))
    }
}
