/// What the parts of an HTTP rule must satisfy together.
enum HTTPRouteRules {
    static func check(_ rule: HTTPRoute, _ reader: ObjectReader) {
        if rule.delegate != nil {
            checkRoot(rule, reader)
        } else {
            let actions = ["route", "redirect", "directResponse"].filter { key in
                key == "route" ? !rule.route.isEmpty : reader.has(key)
            }
            if actions.isEmpty, !reader.has("route") {
                reader.error(nil, "one of route, redirect, directResponse must be set")
            } else if actions.isEmpty {
                reader.error("route", "at least one destination is required")
            }
            if actions.count > 1 {
                reader.error(actions[1], "HTTP route cannot contain both \(actions[0]) and \(actions[1])")
            }
        }
        for action in ["redirect", "directResponse"] where reader.has(action) {
            let forbidden = action == "redirect" ? ["fault", "rewrite"] : ["rewrite"]
            for other in forbidden where reader.has(other) {
                reader.error(other, "HTTP route cannot contain both \(other) and \(action)")
            }
        }
        if rule.redirect?.prefixRewrite != nil {
            for match in rule.match {
                switch match.uri {
                case .exact?, .regex?:
                    reader.error("redirect", "prefixRewrite needs a prefix match on uri, not exact or regex")
                default: break
                }
            }
        }
        WeightRules.check(rule.route.map(\.weight), reader)
        checkAuthority(rule, reader)
    }

    private static func checkRoot(_ rule: HTTPRoute, _ reader: ObjectReader) {
        for other in ["route", "redirect", "directResponse"] where reader.has(other) {
            reader.error(other, "HTTP route cannot contain both delegate and \(other)")
        }
        for match in rule.match {
            for header in match.headers + match.withoutHeaders where header.match == nil {
                reader.error("match", "header \"\(header.name)\" needs a value to compare in a rule with a delegate")
            }
        }
    }

    private static func checkAuthority(_ rule: HTTPRoute, _ reader: ObjectReader) {
        let setsAuthority = rule.headers?.request?.set.keys.contains {
            [":authority", "host"].contains($0.lowercased())
        }
        if setsAuthority == true, !(rule.rewrite?.authority ?? "").isEmpty {
            reader.error("headers", "sets the authority that rewrite.authority sets as well: remove one of them")
        }
    }
}

/// Weights of several destinations are shares of their sum.
enum WeightRules {
    static func check(_ weights: [Int], _ reader: ObjectReader) {
        guard weights.count > 1 else { return }
        let total = weights.reduce(0, +)
        if total == 0 { reader.error("route", "the weights add up to 0: give at least one destination a weight") }
        if total > Int(UInt32.max) { reader.error("route", "the weights add up to more than 4294967295") }
    }
}
