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

    @Test("keys from elsewhere are refused by their path")
    func remote() throws {
        let issues = try FilterWorld.issues(
            filters: [
                FilterWorld.filter(
                    "jwt", Self.type,
                    #""providers":{"p":{"issuer":"i","remoteJwks":{"httpUri":{"uri":"https://a","cluster":"up","timeout":"1s"}}}}"#
                )
            ], routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}}"#])
        #expect(
            issues == [
                "filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.providers[\"p\"].remote_jwks: not supported: the control plane fetches keys; use local_jwks"
            ])
    }
}
