import MeshAPI
import SwiftProtobuf
import XDS

/// One rule of an AuthorizationPolicy as an RBAC policy, condition by condition as Istio writes it.
struct RuleCompiler {
    /// The policy's namespace: where a service account without one lives.
    let namespace: String
    /// The mesh's own trust domain first, then its aliases.
    let trustDomains: [String]
    /// The filter judges connections: what needs a request does not exist.
    let isTCP: Bool
    /// A condition that cannot be judged drops an ALLOW rule, which then allows less, and is left out of others, which
    /// then deny more.
    let isAllow: Bool

    /// A condition on requests in a filter for connections, or a value that means nothing.
    private struct CannotJudge: Error {}

    /// One attribute with its values; some value must hold, and none of those to avoid.
    private struct Attribute {
        var key: String
        var values: [String]
        var notValues: [String]
    }

    /// nil when the rule can match nothing here.
    func compile(_ rule: AuthorizationRule) -> Envoy_Config_Rbac_V3_Policy? {
        let when = rule.when.map { Attribute(key: $0.key, values: $0.values, notValues: $0.notValues) }
        let permissionKeys = when.filter { Self.isPermission($0.key) }
        let principalKeys = when.filter { !Self.isPermission($0.key) }
        var policy = Envoy_Config_Rbac_V3_Policy()
        do throws(CannotJudge) {
            let operations = rule.to.isEmpty ? [[]] : rule.to.map { Self.attributes(of: $0) }
            for attributes in operations {
                policy.permissions.append(try permission(attributes + permissionKeys))
            }
            let sources = rule.from.isEmpty ? [[]] : rule.from.map { Self.attributes(of: $0) }
            for attributes in sources {
                policy.principals.append(try principal(attributes + principalKeys))
            }
        } catch {
            return nil
        }
        return policy
    }

    private static func isPermission(_ key: String) -> Bool {
        ["destination.ip", "destination.port", "connection.sni"].contains(key)
            || key.hasPrefix("experimental.envoy.filters.")
    }

    private static func attributes(of operation: AuthorizationOperation) -> [Attribute] {
        attributes(
            operation.values, operation.notValues,
            [("hosts", ":authority"), ("methods", ":method"), ("paths", "path"), ("ports", "destination.port")])
    }

    private static func attributes(of source: AuthorizationSource) -> [Attribute] {
        attributes(
            source.values, source.notValues,
            [
                ("principals", "source.principal"), ("requestPrincipals", "request.auth.principal"),
                ("namespaces", "source.namespace"), ("serviceAccounts", "source.serviceAccount"),
                ("trustDomains", "source.trustDomain"), ("remoteIpBlocks", "remote.ip"), ("ipBlocks", "source.ip"),
            ])
    }

    private static func attributes(
        _ values: [String: [String]], _ notValues: [String: [String]], _ fields: [(field: String, key: String)]
    ) -> [Attribute] {
        fields.compactMap { field, key in
            guard values[field] != nil || notValues[field] != nil else { return nil }
            return Attribute(key: key, values: values[field] ?? [], notValues: notValues[field] ?? [])
        }
    }

    // MARK: Permissions

    private func permission(_ attributes: [Attribute]) throws(CannotJudge) -> RBACPermission {
        var all: [RBACPermission] = []
        for attribute in attributes {
            for (values, negated) in [(attribute.values, false), (attribute.notValues, true)] where !values.isEmpty {
                var any: [RBACPermission] = []
                for value in values {
                    do throws(CannotJudge) {
                        any.append(try permission(attribute.key, value))
                    } catch  where isAllow {
                        throw error
                    } catch {}
                }
                guard !any.isEmpty else { continue }
                var either = RBACPermission()
                either.orRules.rules = any
                if negated {
                    var not = RBACPermission()
                    not.notRule = either
                    either = not
                }
                all.append(either)
            }
        }
        if all.isEmpty {
            var anything = RBACPermission()
            anything.any = true
            all = [anything]
        }
        var permission = RBACPermission()
        permission.andRules.rules = all
        return permission
    }

    private func permission(_ key: String, _ value: String) throws(CannotJudge) -> RBACPermission {
        var permission = RBACPermission()
        switch key {
        case ":authority", ":method", "path":
            guard !isTCP else { throw CannotJudge() }
            if key == "path" {
                if let template = PathTemplate.pattern(value) {
                    permission.uriTemplate = template
                } else {
                    permission.urlPath.path = PolicyMatchers.string(value)
                }
            } else {
                permission.header = PolicyMatchers.header(key, value, ignoringCase: key == ":authority")
            }
        case "destination.ip":
            guard let range = Envoy_Config_Core_V3_CidrRange(policyValue: value) else { throw CannotJudge() }
            permission.destinationIp = range
        case "destination.port":
            guard let port = UInt16(value) else { throw CannotJudge() }
            permission.destinationPort = UInt32(port)
        case "connection.sni": permission.requestedServerName = PolicyMatchers.string(value)
        default:
            // experimental.envoy.filters.a.b[c]
            guard let bracket = key.firstIndex(of: "["), let names = Self.brackets(key), names.count == 1 else {
                throw CannotJudge()
            }
            permission.metadata.filter = String(key[..<bracket].dropFirst("experimental.".count))
            permission.metadata.path = names.map { name in .with { $0.key = name } }
            if value.hasPrefix("["), value.hasSuffix("]") {
                let element = PolicyMatchers.string(String(value.dropFirst().dropLast()))
                permission.metadata.value.listMatch.oneOf = PolicyMatchers.value(element)
            } else {
                permission.metadata.value = PolicyMatchers.value(PolicyMatchers.string(value))
            }
        }
        return permission
    }

    // MARK: Principals

    private func principal(_ attributes: [Attribute]) throws(CannotJudge) -> RBACPrincipal {
        var all: [RBACPrincipal] = []
        for attribute in attributes {
            for (values, negated) in [(attribute.values, false), (attribute.notValues, true)] where !values.isEmpty {
                var any: [RBACPrincipal] = []
                do throws(CannotJudge) {
                    any = try principals(attribute.key, values)
                } catch  where isAllow {
                    throw error
                } catch {}
                guard !any.isEmpty else { continue }
                var either = RBACPrincipal()
                either.orIds.ids = any
                if negated {
                    var not = RBACPrincipal()
                    not.notID = either
                    either = not
                }
                all.append(either)
            }
        }
        if all.isEmpty {
            var anything = RBACPrincipal()
            anything.any = true
            all = [anything]
        }
        var principal = RBACPrincipal()
        principal.andIds.ids = all
        return principal
    }

    private func principals(_ key: String, _ values: [String]) throws(CannotJudge) -> [RBACPrincipal] {
        if key.hasPrefix("request."), isTCP { throw CannotJudge() }
        switch key {
        case "source.ip": return try ranges(values).map { range in .with { $0.directRemoteIp = range } }
        case "remote.ip": return try ranges(values).map { range in .with { $0.remoteIp = range } }
        case "source.principal":
            return TrustDomainAliases.expand(values, trustDomains).map {
                authenticated(PolicyMatchers.string($0, prefix: "spiffe://"))
            }
        case "source.namespace":
            return values.map { value in
                let pattern = value.split(separator: "*", omittingEmptySubsequences: false)
                    .map { PolicyMatchers.quoted(String($0)) }.joined(separator: ".*")
                return authenticated(PolicyMatchers.regex(".*/ns/\(pattern)/.*"))
            }
        case "source.serviceAccount":
            return values.map { value in
                let parts = value.split(separator: "/", maxSplits: 1)
                let account = PolicyMatchers.quoted(String(parts.last ?? ""))
                let place = PolicyMatchers.quoted(parts.count == 2 ? String(parts[0]) : namespace)
                return authenticated(PolicyMatchers.regex("spiffe://.+/ns/\(place)/(.+/|)sa/\(account)(/.+)?"))
            }
        case "source.trustDomain":
            return values.map { value in
                let pattern = value.split(separator: "*", omittingEmptySubsequences: false)
                    .map { PolicyMatchers.quoted(String($0)) }.joined(separator: "[^/]*")
                return authenticated(PolicyMatchers.regex("spiffe://\(pattern)/.*"))
            }
        case "request.auth.principal": return values.map(requestPrincipal)
        case "request.auth.audiences": return [claim(["aud"], values)]
        case "request.auth.presenter": return [claim(["azp"], values)]
        default:
            guard let names = Self.brackets(key), let first = names.first else { throw CannotJudge() }
            if key.hasPrefix("request.auth.claims[") { return [claim(names, values)] }
            // What else has brackets is a header's name and no more: nothing may be taken for one.
            guard key.hasPrefix("request.headers["), names.count == 1 else { throw CannotJudge() }
            return values.map { value in .with { $0.header = PolicyMatchers.header(first, value) } }
        }
    }

    /// A range that cannot be read drops an ALLOW rule, and is left out of others.
    private func ranges(_ values: [String]) throws(CannotJudge) -> [Envoy_Config_Core_V3_CidrRange] {
        let found = values.compactMap { Envoy_Config_Core_V3_CidrRange(policyValue: $0) }
        if isAllow, found.count < values.count { throw CannotJudge() }
        return found
    }

    private func authenticated(_ matcher: WireStringMatcher) -> RBACPrincipal {
        .with { $0.authenticated.principalName = matcher }
    }

    private func claim(_ path: [String], _ values: [String]) -> RBACPrincipal {
        .with { $0.metadata = PolicyMatchers.claim(path, PolicyMatchers.textOrElement(values)) }
    }

    /// `ISSUER/SUBJECT`, split at the last slash because issuers are URLs; a star stands for the rest of either.
    private func requestPrincipal(_ value: String) -> RBACPrincipal {
        let slash = value.lastIndex(of: "/")
        let issuer = slash.map { String(value[..<$0]) } ?? value
        let subject = slash.map { String(value[value.index(after: $0)...]) } ?? ""
        var issuerMatch = PolicyMatchers.exact(issuer)
        var subjectMatch = PolicyMatchers.exact(subject)
        if value == "*" {
            issuerMatch = PolicyMatchers.anything
            subjectMatch = PolicyMatchers.anything
        } else if value.hasPrefix("*") {
            issuerMatch = slash == nil ? PolicyMatchers.anything : PolicyMatchers.string(issuer)
            if slash == nil { subjectMatch = PolicyMatchers.string(value) }
        } else if value.hasSuffix("*") {
            if slash == nil { issuerMatch = PolicyMatchers.string(value) }
            subjectMatch = slash == nil ? PolicyMatchers.anything : PolicyMatchers.string(subject)
        }
        let parts = [("iss", issuerMatch), ("sub", subjectMatch)].map { name, match in
            RBACPrincipal.with { $0.metadata = PolicyMatchers.claim([name], PolicyMatchers.value(match)) }
        }
        return .with { $0.andIds.ids = parts }
    }

    /// `request.auth.claims[a][b]` -> `a`, `b`.
    static func brackets(_ key: String) -> [String]? {
        guard let start = key.firstIndex(of: "["), key.hasSuffix("]") else { return nil }
        let names = key[key.index(after: start)...].dropLast().split(separator: "][", omittingEmptySubsequences: false)
        return names.contains("") ? nil : names.map(String.init)
    }
}
