import EventLoop
import Proxy
import Testing

/// The token filter in front of RBAC on claims. The tokens are those of Istio's samples, signed with its published key.
@Suite("Tokens and policies on their claims")
struct AuthenticationFilterTests {
    private static let type = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
    // Istio's security/tools/jwt/samples: jwks.json and demo.jwt (issuer testing@secure.istio.io, valid until 2048).
    static let keys =
        #"{\"keys\":[{\"e\":\"AQAB\",\"kid\":\"DHFbpoIUqrY8t2zpA2qXfCmr5VO5ZEr4RzHU_-envvQ\",\"kty\":\"RSA\",\"n\":\"xAE7eB6qugXyCAG3yhh7pkDkT65pHymX-P7KfIupjf59vsdo91bSP9C8H07pSAGQO1MV_xFj9VswgsCg4R6otmg5PV2He95lZdHtOcU5DXIg_pbhLdKXbi66GlVeK6ABZOUW3WYtnNHD-91gVuoeJT_DwtGGcp4ignkgXfkiEm4sw-4sfb4qdt5oLbyVpmW6x9cfa7vs2WTfURiCrBoUqgBo_-4WTiULmmHSGZHOjzwa8WtrtOQGsAFjIbno85jp6MnGGGZPYZbDAa_b3y5u-YpW7ypZrvD8BgtKVjgtQgZhLAGezMt0ua3DRrWnKqTZ0BJ_EyxOGuHJrLsn00fnMQ\"}]}"#
    static let token =
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IkRIRmJwb0lVcXJZOHQyenBBMnFYZkNtcjVWTzVaRXI0UnpIVV8tZW52dlEiLCJ0eXAiOiJKV1QifQ.eyJleHAiOjQ2ODU5ODk3MDAsImZvbyI6ImJhciIsImlhdCI6MTUzMjM4OTcwMCwiaXNzIjoidGVzdGluZ0BzZWN1cmUuaXN0aW8uaW8iLCJzdWIiOiJ0ZXN0aW5nQHNlY3VyZS5pc3Rpby5pbyJ9.CfNnxWP2tcnR9q0vxyxweaF3ovQYHYZl82hAUsn21bwQd9zP7c-LS9qd_vpdLG4Tn1A15NxfCjp5f7QNBUo-KC9PJqYpgGbaXhaGx7bEdFWjcwv3nZzvc7M__ZpaCERdwU7igUmJqYGBYQ51vr2njU9ZimyKkfDe3axcyiBZde7G6dabliUosJvvKOPcKIWPccCgefSj_GNfwIip3-SsFdlR7BtbVUcqR-yv-XOxJ3Uc1MI0tz3uMiiZcyPV7sNCU4KRnemRIMHVOfuvHsU60_GhGbiSFzgPTAa9WTltbnarTbxudb_YEOx12JiwYToeX0DCPb43W1tzIBxgm8NxUg"

    private func world(rules: String, provider: String = "", rbac: String? = nil) throws -> FilterWorld {
        let more = provider.isEmpty ? "" : "," + provider
        let jwt = FilterWorld.filter(
            "jwt", Self.type,
            #""providers":{"p":{"issuer":"testing@secure.istio.io","localJwks":{"inlineString":"\#(Self.keys)"},"payloadInMetadata":"payload"\#(more)}},"rules":[\#(rules)]"#
        )
        let policy = rbac.map { FilterWorld.filter("rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", $0) }
        return try FilterWorld(
            filters: [jwt] + (policy.map { [$0] } ?? []),
            routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}}"#])
    }

    private static let all = #"{"match":{"prefix":"/open"}},{"match":{"prefix":"/"},"requires":{"providerName":"p"}}"#
    private static let bearer = "Authorization: Bearer " + token

    @Test("a valid token passes and is taken out; the others are refused with the standard challenge")
    func required() throws {
        let world = try world(rules: Self.all)
        let (request, _) = try world.exchange(get("/a", Self.bearer))
        #expect(request["authorization"] == nil)
        let missing = try #require(world.ask(get("/a?b=1")))
        #expect(missing.status == 401)
        #expect(missing.body == Array("Jwt is missing".utf8))
        #expect(missing["www-authenticate"] == #"Bearer realm="http://x/a""#)
        let bad = try #require(world.ask(get("/a", "Authorization: Bearer x.y.z")))
        #expect(bad.status == 401)
        #expect(bad["www-authenticate"] == #"Bearer realm="http://x/a", error="invalid_token""#)
        let forged = try #require(world.ask(get("/a", Self.bearer.replacing(".CfNn", with: ".DfNn"))))
        #expect(forged.status == 401)
        #expect(try world.exchange(get("/open")).response.status == 200)
    }

    @Test("claims and payload go on as headers, the client's own never")
    func headers() throws {
        let world = try world(
            rules: Self.all,
            provider:
                #""forward":true,"forwardPayloadHeader":"x-payload","claimToHeaders":[{"headerName":"x-foo","claimName":"foo"}]"#
        )
        let (request, _) = try world.exchange(get("/", Self.bearer, "x-foo: forged", "x-payload: forged"))
        #expect(request.all("x-foo") == ["bar"])
        #expect(request.all("x-payload").count == 1)
        #expect(request["x-payload"]?.hasPrefix("eyJleHAi") == true)
        #expect(request["authorization"] != nil)
        let (open, _) = try world.exchange(get("/open", "x-foo: forged", "x-payload: forged"))
        #expect(open["x-foo"] == nil && open["x-payload"] == nil)
    }

    @Test("policies see claims")
    func claims() throws {
        func rules(_ value: String) -> String {
            #""rules":{"action":"ALLOW","policies":{"ns[d]-policy[p]-rule[0]":{"permissions":[{"any":true}],"principals":[{"metadata":{"filter":"envoy.filters.http.jwt_authn","path":[{"key":"payload"},{"key":"foo"}],"value":{"stringMatch":{"exact":"\#(value)"}}}}]}}}"#
        }
        let optional =
            #"{"match":{"prefix":"/"},"requires":{"requiresAny":{"requirements":[{"providerName":"p"},{"allowMissing":{}}]}}}"#
        let bar = try world(rules: optional, rbac: rules("bar"))
        #expect(try bar.exchange(get("/", Self.bearer)).response.status == 200)
        let denied = try #require(bar.ask(get("/")))
        #expect(denied.status == 403)
        #expect(denied.body == Array("RBAC: access denied".utf8))
        #expect(try world(rules: optional, rbac: rules("other")).ask(get("/", Self.bearer))?.status == 403)
    }

    private static func remoteWorld() throws -> FilterWorld {
        let provider =
            #""providers":{"p":{"issuer":"testing@secure.istio.io","remoteJwks":{"httpUri":{"uri":"https://keys.test/jwks?x=y","cluster":"shadow","timeout":"1s"},"cacheDuration":"60s"}}}"#
        return try FilterWorld(
            filters: [
                FilterWorld.filter(
                    "jwt", type, provider + #","rules":[{"match":{"prefix":"/"},"requires":{"providerName":"p"}}]"#)
            ], routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}}"#])
    }

    private static func answer(_ status: Int, _ body: String) -> String {
        "HTTP/1.1 \(status) X\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// The fetch that is under way is answered; what the issuer got.
    private static func serveKeys(_ world: FilterWorld, _ status: Int, _ body: String) -> WireMessage? {
        world.simulation.acceptUpstream()
        for socket in world.simulation.opened {
            guard world.simulation.proxy.world({ $0.address(of: socket) }).description == "10.0.1.9:8080",
                let request = world.simulation.request(on: socket)
            else { continue }
            world.simulation.send(answer(status, body), on: socket)
            world.simulation.settle()
            return request
        }
        return nil
    }

    @Test(
        "keys are fetched when they are wanted, once for all who wait; the last good ones outlive an issuer that fails")
    func remote() throws {
        let world = try Self.remoteWorld()
        let keys = Self.keys.replacing("\\\"", with: "\"")
        // What is wrong with a token itself is said without keys.
        #expect(try #require(world.ask(get("/", "Authorization: Bearer x.y.z"))).status == 401)
        #expect(world.simulation.acceptUpstream().isEmpty)

        let clients = [world.simulation.dial(), world.simulation.dial(), world.simulation.dial()]
        for client in clients { world.simulation.send(get("/", Self.bearer), on: client) }
        world.simulation.settle()
        world.simulation.proxy.world { $0.reset(clients[2]) }
        let fetch = try #require(Self.serveKeys(world, 200, keys))
        #expect(fetch.startLine == "GET /jwks?x=y HTTP/1.1" && fetch["host"] == "keys.test")
        for socket in world.simulation.acceptUpstream() {
            #expect(world.simulation.request(on: socket) != nil)
            world.simulation.send(Self.answer(200, "ok"), on: socket)
        }
        world.simulation.settle()
        for client in clients.prefix(2) { #expect(world.simulation.response(to: client)?.status == 200) }
        #expect(try world.exchange(get("/", Self.bearer)).response.status == 200)
        #expect(Self.serveKeys(world, 200, keys) == nil)

        // Too old, and the issuer fails: those from before.
        world.simulation.pass(milliseconds: 61_000)
        for (status, body) in [(500, ""), (200, "no keys"), (200, #"{"keys":[]}"#)] {
            world.simulation.pass(milliseconds: 2_000)
            let client = world.simulation.dial()
            world.simulation.send(get("/", Self.bearer), on: client)
            world.simulation.settle()
            #expect(Self.serveKeys(world, status, body) != nil)
            world.simulation.acceptUpstream()
            for socket in world.simulation.opened where world.simulation.request(on: socket) != nil {
                world.simulation.send(Self.answer(200, "ok"), on: socket)
            }
            world.simulation.settle()
            #expect(world.simulation.response(to: client)?.status == 200)
        }
        #expect(world.simulation.proxy.openExchanges == 0)
    }

    @Test("without keys a token is refused, and the next one asks again", arguments: [(500, ""), (200, "no keys")])
    func remoteFails(status: Int, body: String) throws {
        let world = try Self.remoteWorld()
        for _ in 0..<2 {
            let client = world.simulation.dial()
            world.simulation.send(get("/", Self.bearer), on: client)
            world.simulation.settle()
            #expect(Self.serveKeys(world, status, body) != nil)
            let refused = try #require(world.simulation.response(to: client))
            #expect(refused.status == 401)
            #expect(refused.body == Array("Jwks remote fetch is failed".utf8))
        }
        // An issuer that says nothing.
        let client = world.simulation.dial()
        world.simulation.send(get("/", Self.bearer), on: client)
        world.simulation.settle()
        world.simulation.acceptUpstream()
        world.simulation.pass(milliseconds: 1_500)
        #expect(world.simulation.response(to: client)?.status == 401)
        #expect(world.simulation.proxy.openExchanges == 0)
    }

    @Test("keys from elsewhere want an address, a cluster and a time")
    func remoteFields() throws {
        func issues(_ uri: String) throws -> [String] {
            try FilterWorld.issues(
                filters: [
                    FilterWorld.filter(
                        "jwt", Self.type, #""providers":{"p":{"issuer":"i","remoteJwks":{"httpUri":{\#(uri)}}}}"#)
                ], routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}}"#])
        }
        let place =
            "filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.providers[\"p\"].remote_jwks.http_uri"
        #expect(try issues(#""uri":"https://a","cluster":"up","timeout":"1s""#) == [])
        #expect(try issues(#""cluster":"up","timeout":"1s""#) == ["\(place).uri: is needed"])
        #expect(try issues(#""uri":"https://a","timeout":"1s""#) == ["\(place).cluster: is needed"])
        #expect(try issues(#""uri":"https://a","cluster":"up""#) == ["\(place).timeout: is needed"])
        #expect(
            try issues(#""uri":"https://a/b c","cluster":"up","timeout":"1s""#) == [
                "\(place).uri: \"https://a/b c\" holds blanks or control characters"
            ])
    }
}
