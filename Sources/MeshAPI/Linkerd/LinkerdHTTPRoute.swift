/// `policy.linkerd.io` HTTPRoute attached to a Server: which requests a policy is about.
package struct LinkerdHTTPRoute: Sendable, Equatable {
    package struct Match: ObjectDecodable, Equatable {
        package enum Path: Sendable, Equatable {
            case exact(String), prefix(String), regex(String)
        }

        private enum PathType: String, CaseIterable {
            case exact = "Exact"
            case prefix = "PathPrefix"
            case regex = "RegularExpression"
        }

        package var location: SourceLocation
        package var path: Path?
        package var method: String?
        package var headers: [Header]

        package struct Header: ObjectDecodable, Equatable {
            package enum Kind: String, Sendable, CaseIterable {
                case exact = "Exact"
                case regex = "RegularExpression"
            }

            package var name: String
            package var value: String
            package var isRegex: Bool

            package init(_ reader: ObjectReader) {
                name = reader.requiredString("name")
                let text = reader.requiredLocated("value")
                value = text.value
                isRegex = reader.choice("type", Kind.self) == .regex
                if isRegex { LinkerdHTTPRoute.checkRegex(text, reader) }
            }
        }

        package init(_ reader: ObjectReader) {
            location = reader.location
            method = reader.string("method")
            headers = reader.objects("headers")
            if reader.has("queryParams") {
                reader.error("queryParams", "cannot be judged by a policy: without it more requests would be let in")
            }
            guard reader.has("path") else { return }
            let path = reader.child("path")
            let value = path.located("value") ?? Located("/", at: path.location)
            // Beside an error the narrowest: what nobody can read opens nothing.
            switch path.has("type") ? path.choice("type", PathType.self) ?? .exact : .prefix {
            case .exact: self.path = .exact(value.value)
            case .prefix: self.path = .prefix(value.value)
            case .regex:
                self.path = .regex(value.value)
                LinkerdHTTPRoute.checkRegex(value, path)
                return
            }
            if !value.value.hasPrefix("/") { path.error("value", "a path begins with /") }
        }
    }

    package struct Rule: ObjectDecodable, Equatable {
        package var matches: [Match]

        package init(_ reader: ObjectReader) {
            matches = reader.objects("matches")
            reader.notSupported("filters", "requests go on as they are")
            reader.notSupported("backendRefs", "an HTTPRoute of a Server says who may call, not where requests go")
            reader.notSupported("timeouts", "set the timeouts of a VirtualService")
        }
    }

    package var metadata: ObjectMeta
    package var parents: [LinkerdReference]
    /// Names that requests are addressed to, `*.example.com` for all below one; empty means any.
    package var hostnames: [String]
    package var rules: [Rule]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        parents = spec.references(
            "parentRefs", among: [.server, .service, .egressNetwork, .gateway], usualGroup: "policy.linkerd.io")
        rules = spec.objects("rules")
        hostnames = spec.strings("hostnames")
        for parent in parents {
            switch parent.kind {
            case .server:
                guard let namespace = parent.namespace, namespace != metadata.namespace else { continue }
                spec.error("parentRefs", "a route is attached to Servers of its own namespace, not of \(namespace)")
            case let kind?:
                spec.warning(
                    "parentRefs",
                    "not supported yet, ignored: no requests to the \(kind.rawValue) \(parent.name) are routed by it;"
                        + " write a VirtualService")
            case nil: continue
            }
        }
    }

    private static func checkRegex(_ pattern: Located<String>, _ reader: ObjectReader) {
        if let fault = reader.context.regexCheck(pattern.value) {
            reader.error("value", "not a valid regular expression: \(fault)")
        }
    }
}
