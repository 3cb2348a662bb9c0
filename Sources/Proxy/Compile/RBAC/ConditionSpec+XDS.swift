import Authorization
import Routing
import SwiftProtobuf
import XDS

extension ConditionSpec {
    /// envoy.config.rbac.v3.Permission; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Config_Rbac_V3_Permission, path: String, issues: inout [CompileIssue]) {
        switch message.rule {
        case .andRules(let set): self = .all(Self.conditions(set.rules, path + ".and_rules.rules", &issues))
        case .orRules(let set): self = .any(Self.conditions(set.rules, path + ".or_rules.rules", &issues))
        case .notRule(let rule):
            guard let inner = ConditionSpec(rule, path: path + ".not_rule", issues: &issues) else { return nil }
            self = .not(inner)
        case .any(let holds):
            guard Self.requireTrue(holds, path + ".any", &issues) else { return nil }
            self = .always
        case .header(let header):
            guard let match = HeaderMatchSpec(header, path: path + ".header", issues: &issues) else { return nil }
            self = .header(match)
        case .urlPath(let matcher):
            guard let pattern = Self.pattern(matcher, path + ".url_path", &issues) else { return nil }
            self = .path(pattern)
        case .uriTemplate(let config):
            guard
                let template = unpack(
                    config.typedConfig, as: Envoy_Extensions_Path_Match_UriTemplate_V3_UriTemplateMatchConfig.self,
                    path: path + ".uri_template.typed_config", issues: &issues)
            else { return nil }
            guard let pattern = StringPattern(pathTemplate: template.pathTemplate) else {
                issues.append(
                    CompileIssue(
                        path: path + ".uri_template.typed_config.path_template",
                        message:
                            "\"\(template.pathTemplate)\" is not a path template: * is a whole segment, ** the last one"
                    ))
                return nil
            }
            self = .path(pattern)
        case .destinationIp(let range):
            guard let range = Self.range(range, path + ".destination_ip", &issues) else { return nil }
            self = .destinationAddress(range)
        case .destinationPort(let number):
            guard let port = UInt16(exactly: number) else {
                issues.append(CompileIssue(path: path + ".destination_port", message: "\(number) is not a port"))
                return nil
            }
            self = .destinationPort(port...port)
        case .destinationPortRange(let range):
            // The end is exclusive (envoy.type.v3.Int32Range).
            guard range.start >= 0, range.start < range.end, range.end <= 65_536 else {
                issues.append(
                    CompileIssue(
                        path: path + ".destination_port_range", message: "[\(range.start), \(range.end)) holds no ports"
                    ))
                return nil
            }
            self = .destinationPort(UInt16(range.start)...UInt16(range.end - 1))
        case .requestedServerName(let matcher):
            guard let pattern = StringPattern(matcher, path: path + ".requested_server_name", issues: &issues) else {
                return nil
            }
            self = .serverName(pattern)
        case .metadata(let matcher):
            guard let match = MetadataMatchSpec(matcher, path: path + ".metadata", issues: &issues) else { return nil }
            self = .metadata(match)
        case nil:
            issues.append(CompileIssue(path: path, message: "a permission needs a rule; any: true permits everything"))
            return nil
        }
    }

    /// envoy.config.rbac.v3.Principal; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Config_Rbac_V3_Principal, path: String, issues: inout [CompileIssue]) {
        switch message.identifier {
        case .andIds(let set): self = .all(Self.conditions(set.ids, path + ".and_ids.ids", &issues))
        case .orIds(let set): self = .any(Self.conditions(set.ids, path + ".or_ids.ids", &issues))
        case .notID(let identifier):
            guard let inner = ConditionSpec(identifier, path: path + ".not_id", issues: &issues) else { return nil }
            self = .not(inner)
        case .any(let holds):
            guard Self.requireTrue(holds, path + ".any", &issues) else { return nil }
            self = .always
        case .authenticated(let authenticated):
            guard authenticated.hasPrincipalName else {
                self = .principal(nil)
                return
            }
            guard
                let pattern = StringPattern(
                    authenticated.principalName, path: path + ".authenticated.principal_name", issues: &issues)
            else { return nil }
            self = .principal(pattern)
        case .sourceIp(let range):
            guard let range = Self.range(range, path + ".source_ip", &issues) else { return nil }
            self = .sourceAddress(range)
        case .directRemoteIp(let range):
            guard let range = Self.range(range, path + ".direct_remote_ip", &issues) else { return nil }
            self = .directAddress(range)
        case .remoteIp(let range):
            guard let range = Self.range(range, path + ".remote_ip", &issues) else { return nil }
            self = .remoteAddress(range)
        case .header(let header):
            guard let match = HeaderMatchSpec(header, path: path + ".header", issues: &issues) else { return nil }
            self = .header(match)
        case .urlPath(let matcher):
            guard let pattern = Self.pattern(matcher, path + ".url_path", &issues) else { return nil }
            self = .path(pattern)
        case .metadata(let matcher):
            guard let match = MetadataMatchSpec(matcher, path: path + ".metadata", issues: &issues) else { return nil }
            self = .metadata(match)
        case nil:
            issues.append(
                CompileIssue(path: path, message: "a principal needs an identifier; any: true means everyone"))
            return nil
        }
    }

    private static func conditions(
        _ messages: [Envoy_Config_Rbac_V3_Permission], _ path: String, _ issues: inout [CompileIssue]
    ) -> [ConditionSpec] {
        requireMembers(messages.count, path, &issues)
        return messages.enumerated().compactMap { ConditionSpec($1, path: "\(path)[\($0)]", issues: &issues) }
    }

    private static func conditions(
        _ messages: [Envoy_Config_Rbac_V3_Principal], _ path: String, _ issues: inout [CompileIssue]
    ) -> [ConditionSpec] {
        requireMembers(messages.count, path, &issues)
        return messages.enumerated().compactMap { ConditionSpec($1, path: "\(path)[\($0)]", issues: &issues) }
    }

    private static func requireMembers(_ count: Int, _ path: String, _ issues: inout [CompileIssue]) {
        if count == 0 { issues.append(CompileIssue(path: path, message: "must not be empty")) }
    }

    private static func requireTrue(_ value: Bool, _ path: String, _ issues: inout [CompileIssue]) -> Bool {
        if !value { issues.append(CompileIssue(path: path, message: "must be true")) }
        return value
    }

    private static func pattern(
        _ message: Envoy_Type_Matcher_V3_PathMatcher, _ path: String, _ issues: inout [CompileIssue]
    ) -> StringPattern? {
        StringPattern(message.path, path: path + ".path", issues: &issues)
    }

    private static func range(
        _ message: Envoy_Config_Core_V3_CidrRange, _ path: String, _ issues: inout [CompileIssue]
    ) -> AddressRange? {
        guard let prefix = message.prefix else {
            issues.append(
                CompileIssue(
                    path: path, message: "\(message.addressPrefix)/\(message.prefixLen.value) is not an address range"))
            return nil
        }
        return AddressRange(prefix.address.bits, length: prefix.length)
    }
}
