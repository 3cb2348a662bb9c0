import MeshAPI
import SwiftProtobuf
import XDS

/// Principals written for one name of the mesh's trust domain hold for all its names.
enum TrustDomainAliases {
    /// `domains`: the mesh's own first. `cluster.local` stands for the own one, as policies are often written so.
    static func expand(_ principals: [String], _ domains: [String]) -> [String] {
        guard let own = domains.first else { return principals }
        var seen: Set<String> = []
        return principals.flatMap { principal -> [String] in
            let parts = principal.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[1].split(separator: "/").count >= 4, principal != "*" else {
                return [principal]
            }
            let domain = String(parts[0])
            let isOurs = domains.contains { matches(domain, $0) }
            guard isOurs || domain == "cluster.local" else { return [principal] }
            // A pattern with a star in front reads the same for every domain that it takes.
            if domain.hasPrefix("*") { return [principal] }
            return domain == "cluster.local" && !isOurs && domains.count == 1
                ? ["\(own)/\(parts[1])"] : domains.map { "\($0)/\(parts[1])" }
        }
        .filter { seen.insert($0).inserted }
    }

    /// A SPIFFE id in each of the domains.
    static func expand(identity: String, _ domains: [String]) -> [String] {
        let scheme = "spiffe://"
        guard identity.hasPrefix(scheme) else { return [identity] }
        return expand([String(identity.dropFirst(scheme.utf8.count))], domains).map { scheme + $0 }
    }

    private static func matches(_ pattern: String, _ domain: String) -> Bool {
        if pattern.hasPrefix("*") { return domain.hasSuffix(pattern.dropFirst()) }
        return pattern == domain
    }
}

/// `/a/{*}/b/{**}` in a policy's paths.
enum PathTemplate {
    /// nil when `value` holds no operator and is an ordinary path pattern.
    static func pattern(_ value: String) -> Envoy_Config_Core_V3_TypedExtensionConfig? {
        guard value.contains("{*}") || value.contains("{**}") else { return nil }
        var template = Envoy_Extensions_Path_Match_UriTemplate_V3_UriTemplateMatchConfig()
        template.pathTemplate = replacing("{*}", "*", in: replacing("{**}", "**", in: value))
        var config = Envoy_Config_Core_V3_TypedExtensionConfig()
        config.name = "uri-template"
        config.typedConfig = .init(packing: template)
        return config
    }

    private static func replacing(_ part: String, _ other: String, in text: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let character = rest.first {
            if rest.hasPrefix(part) {
                result += other
                rest = rest.dropFirst(part.count)
            } else {
                result.append(character)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}

extension Envoy_Config_Core_V3_CidrRange {
    /// `10.0.0.0/8`, or one address.
    init?(policyValue text: String) {
        guard AddressRules.isSubnet(text) else { return nil }
        let parts = text.split(separator: "/")
        self.init()
        addressPrefix = String(parts[0])
        let length = parts.count == 2 ? UInt32(parts[1]) : nil
        prefixLen = .init(length ?? (addressPrefix.contains(":") ? 128 : 32))
    }
}
