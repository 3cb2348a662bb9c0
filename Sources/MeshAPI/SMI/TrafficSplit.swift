/// `split.smi-spec.io` TrafficSplit: shares of a Service's traffic for other Services.
package struct TrafficSplit: Sendable, Equatable {
    package struct Backend: ObjectDecodable {
        package var location: SourceLocation
        /// Name of a Service of the same namespace, or a host name.
        package var service: Located<String>
        /// Relative to the other backends, in thousandths: v1alpha1 has quantities such as `500m`.
        package var weight: Int

        package init(_ reader: ObjectReader) {
            location = reader.location
            service = reader.requiredLocated("service")
            weight = 0
            if !reader.has("weight") { reader.error(nil, "weight is required") }
            guard let node = reader.node("weight"), case .scalar(let scalar) = node.content else { return }
            if let parsed = Self.thousandths(scalar.text) {
                weight = parsed
            } else {
                reader.error("weight", "\"\(scalar.text)\" is not a weight: use a whole number, or thousandths as 500m")
            }
        }

        private static func thousandths(_ text: String) -> Int? {
            let isMilli = text.hasSuffix("m")
            guard let number = Int(isMilli ? String(text.dropLast()) : text), (0...2_000_000).contains(number) else {
                return nil
            }
            return isMilli ? number : number * 1000
        }
    }

    /// A reference to an HTTPRouteGroup of the same namespace.
    package struct Match: ObjectDecodable {
        package var location: SourceLocation
        package var name: String

        package init(_ reader: ObjectReader) {
            location = reader.location
            name = reader.requiredString("name")
            reader.accept("apiGroup")
            let kind = reader.string("kind") ?? "HTTPRouteGroup"
            if kind != "HTTPRouteGroup" {
                reader.error("kind", "\"\(kind)\" cannot select traffic: use HTTPRouteGroup")
            }
        }
    }

    package var metadata: ObjectMeta
    /// The Service that clients address; a short name is of the same namespace.
    package var service: Located<String>
    package var backends: [Backend]
    /// Only requests of one of these groups are split; empty means all.
    package var matches: [Match]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        service = spec.requiredLocated("service")
        backends = spec.objects("backends")
        matches = spec.objects("matches")
        if backends.isEmpty {
            spec.error(nil, "backends is required: at least one service with its weight")
        } else if backends.allSatisfy({ $0.weight == 0 }) {
            spec.error("backends", "at least one weight must be above 0")
        }
    }
}

/// `specs.smi-spec.io` HTTPRouteGroup: named classes of requests.
package struct HTTPRouteGroup: Sendable, Equatable {
    package struct Match: ObjectDecodable {
        package var location: SourceLocation
        package var name: String
        /// Empty or `*` means all.
        package var methods: [String]
        /// RE2 over the whole path.
        package var pathRegex: Located<String>?
        /// RE2 over the whole value, by header name; all must match.
        package var headers: [String: String]

        package init(_ reader: ObjectReader) {
            location = reader.location
            name = reader.string("name") ?? ""
            methods = reader.strings("methods")
            pathRegex = reader.located("pathRegex")
            if let pathRegex { RegexRules.check(pathRegex, key: "pathRegex", reader) }
            headers = [:]
            // v1alpha1 and v1alpha2 have a list of maps, later versions one map.
            if let node = reader.node("headers"), case .sequence = node.content {
                for (path, entry) in reader.elements("headers") {
                    guard case .mapping(let pairs) = entry.content else { continue }
                    for pair in pairs {
                        headers[pair.key] = reader.text(pair.value, "\(path).\(pair.key)")
                    }
                }
            } else {
                headers = reader.stringMap("headers")
            }
        }
    }

    package var metadata: ObjectMeta
    package var matches: [Match]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        // v1alpha1 and v1alpha2 had the matches beside the metadata.
        let spec = document.has("spec") ? document.child("spec") : document
        matches = spec.objects("matches")
        if matches.isEmpty { spec.error(nil, "matches is required: at least one class of requests") }
    }
}
