import Foundation
import Identity
import Testing

@Suite("SPIFFE ids")
struct SPIFFEIDTests {
    @Test("An id is read and written in Istio's form")
    func roundTrip() throws {
        let id = try SPIFFEID("spiffe://cluster.local/ns/default/sa/bookinfo-reviews")
        #expect(id.namespace == "default")
        #expect(id.serviceAccount == "bookinfo-reviews")
        #expect(id.description == "spiffe://cluster.local/ns/default/sa/bookinfo-reviews")
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", "spiffe://", "http://cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/a/sa/",
            "spiffe://cluster.local/ns/a/sa/b/c", "spiffe://Cluster.Local/ns/a/sa/b", "spiffe:///ns/a/sa/b",
            "spiffe://cluster.local/ns/../sa/b", "spiffe://cluster.local/ns/a%2f/sa/b", "spiffe://a b/ns/a/sa/b",
            "spiffe://cluster.local/sa/a/ns/b",
        ]
    )
    func refuses(text: String) {
        #expect(throws: IdentityError.self) { try SPIFFEID(text) }
    }
}

@Suite("Workload tokens")
struct WorkloadTokenTests {
    let key = TokenKey()
    let now = Date(timeIntervalSince1970: 1_800_000_000)

    private func token(_ audience: WorkloadToken.Audience = .ca, lifetime: TimeInterval = 60) -> WorkloadToken {
        WorkloadToken(
            audience: audience, namespace: "default", serviceAccount: "cart", pod: "cart-v1-0",
            expires: now.addingTimeInterval(lifetime)
        )
    }

    @Test("A minted token verifies and says whom it is for")
    func roundTrip() throws {
        let text = token().mint(key: key)
        let read = try WorkloadToken.verify(text, audience: .ca, key: key, now: now)
        #expect(read.serviceAccount == "cart")
        #expect(read.pod == "cart-v1-0")
        #expect(read.nonce.count == 32)
        #expect(text.split(separator: ".").count == 2)
    }

    @Test("Wrong audience, expiry and another mesh's key are told apart")
    func refuses() throws {
        let text = token(.xds).mint(key: key)
        #expect(throws: IdentityError.wrongAudience(expected: "ca", actual: "xds")) {
            try WorkloadToken.verify(text, audience: .ca, key: key, now: now)
        }
        #expect(throws: IdentityError.expired) {
            try WorkloadToken.verify(text, audience: .xds, key: key, now: now.addingTimeInterval(61))
        }
        #expect(throws: IdentityError.wrongSignature) {
            try WorkloadToken.verify(text, audience: .xds, key: TokenKey(), now: now)
        }
        #expect(throws: IdentityError.malformedToken) {
            try WorkloadToken.verify("not a token", audience: .xds, key: key, now: now)
        }
    }

    @Test("Changing any character makes it invalid")
    func isAuthenticated() {
        let text = Array(token().mint(key: key))
        for index in text.indices {
            var changed = text
            changed[index] = changed[index] == "A" ? "B" : "A"
            // The last character of each part may carry unused bits.
            let next = index + 1
            if next == text.count || text[next] == "." { continue }
            #expect(throws: IdentityError.self) {
                try WorkloadToken.verify(String(changed), audience: .ca, key: key, now: now)
            }
        }
    }

    @Test("A one-time token is spent once")
    func isSpentOnce() throws {
        var ledger = NonceLedger()
        let first = token()
        try ledger.spend(first, key: "a", now: now)
        #expect(throws: IdentityError.replayed) { try ledger.spend(first, key: "b", now: now) }
        // For the same key it is good for some minutes more: the answer may have been lost.
        try ledger.spend(first, key: "a", now: now.addingTimeInterval(299))
        #expect(throws: IdentityError.replayed) {
            try ledger.spend(first, key: "a", now: now.addingTimeInterval(301))
        }
        try ledger.spend(token(), key: "c", now: now)

        var restored = NonceLedger(text: ledger.text, now: now)
        #expect(throws: IdentityError.replayed) { try restored.spend(first, key: "b", now: now) }
        try restored.spend(first, key: "a", now: now)
        #expect(NonceLedger(text: ledger.text, now: now.addingTimeInterval(61)).text == "")
    }

    @Test("The key survives its text form")
    func keyRoundTrip() throws {
        let again = try TokenKey(hex: key.hex + "\n")
        #expect(throws: Never.self) {
            try WorkloadToken.verify(token().mint(key: key), audience: .ca, key: again, now: now)
        }
        #expect(throws: IdentityError.self) { try TokenKey(hex: "abc") }
    }
}
