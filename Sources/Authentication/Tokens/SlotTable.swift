internal import HeaderBlock

/// Numbers the places where tokens may be.
struct SlotTable {
    private var slots: [String: Int] = [:]

    /// Where the tokens of some providers are, in the order in which they are looked for: headers by name and prefix,
    /// parameters and cookies by name.
    mutating func locations(_ providers: [(number: Int, spec: ProviderSpec)]) throws(AuthenticationError)
        -> [TokenLocation]
    {
        var found: [String: (place: TokenLocation.Place, slot: String, providers: [Int])] = [:]
        for (number, spec) in providers {
            var headers = spec.headers
            var parameters = spec.parameters
            if headers.isEmpty, parameters.isEmpty, spec.cookies.isEmpty {
                headers = [ProviderSpec.Header(name: "authorization", valuePrefix: "Bearer ")]
                parameters = ["access_token"]
            }
            for header in headers {
                let name = header.name.lowercased()
                let place = TokenLocation.Place.header(HeaderName(name), prefix: Array(header.valuePrefix.utf8))
                found["1" + name + header.valuePrefix, default: (place, "1" + name, [])].providers.append(number)
            }
            for name in parameters {
                found["2" + name, default: (.parameter(Array(name.utf8)), "2" + name, [])].providers.append(number)
            }
            for name in spec.cookies {
                found["3" + name, default: (.cookie(Array(name.utf8)), "3" + name, [])].providers.append(number)
            }
        }
        var result: [TokenLocation] = []
        for (_, entry) in found.sorted(by: { $0.key < $1.key }) {
            let slot = slots[entry.slot] ?? slots.count
            guard slot < 64 else { throw AuthenticationError("tokens are looked for in more than 64 places") }
            slots[entry.slot] = slot
            result.append(TokenLocation(place: entry.place, slot: slot, providers: entry.providers))
        }
        return result
    }
}
