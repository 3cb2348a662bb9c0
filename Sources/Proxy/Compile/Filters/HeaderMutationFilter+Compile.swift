import Routing
import SwiftProtobuf
import XDS

private typealias Filter = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation
private typealias PerRoute = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute

extension CompiledParts {
    /// envoy.extensions.filters.http.header_mutation.v3.HeaderMutation.
    mutating func headerMutationFilter(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard let message = unpack(any, as: Filter.self, path: path, issues: &issues) else { return nil }
        let level = level(message.mutations, path: path + ".mutations", issues: &issues)
        return .headerMutation(
            HeaderMutationFilter(levels: [level], mostSpecificWins: message.mostSpecificHeaderMutationsWins))
    }

    /// What routes add to the filter, from the least to the most specific.
    mutating func headerMutations(
        _ levels: [(any: Google_Protobuf_Any, path: String)], issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        var result: [HeaderMutationFilter.Level] = []
        for (any, path) in levels {
            guard let message = unpack(any, as: PerRoute.self, path: path, issues: &issues) else { return nil }
            result.append(level(message.mutations, path: path + ".mutations", issues: &issues))
        }
        return .headerMutation(HeaderMutationFilter(levels: result))
    }

    private mutating func level(
        _ message: Envoy_Extensions_Filters_Http_HeaderMutation_V3_Mutations, path: String,
        issues: inout [CompileIssue]
    ) -> HeaderMutationFilter.Level {
        HeaderMutationFilter.Level(
            request: list(message.requestMutations, path: path + ".request_mutations", issues: &issues),
            response: list(message.responseMutations, path: path + ".response_mutations", issues: &issues))
    }

    private mutating func list(
        _ messages: [Envoy_Config_Common_MutationRules_V3_HeaderMutation], path: String, issues: inout [CompileIssue]
    ) -> HeaderMutationList {
        var specs: [HeaderMutationSpec] = []
        for (index, message) in messages.enumerated() {
            let place = "\(path)[\(index)]"
            var spec = HeaderMutationSpec()
            switch message.action {
            case .remove(let name):
                if Self.isChangeable(name, place + ".remove", &issues) { spec.removals = [name] }
            case .append(let option):
                if let setting = setting(option, path: place + ".append", issues: &issues) { spec.settings = [setting] }
            case nil: issues.append(CompileIssue(path: place, message: "needs remove or append"))
            }
            specs.append(spec)
        }
        return HeaderMutationList(specs)
    }
}
