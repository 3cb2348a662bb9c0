import Routing
import SwiftProtobuf
import XDS

extension RouteCompiler {
    /// - Parameter path: of the pair of fields, without `_to_add` and `_to_remove`.
    mutating func mutations(
        _ additions: [Envoy_Config_Core_V3_HeaderValueOption], _ removals: [String], _ path: String
    ) -> HeaderMutationSpec {
        parts.headerMutations(additions, removals, path: path, issues: &issues)
    }
}
