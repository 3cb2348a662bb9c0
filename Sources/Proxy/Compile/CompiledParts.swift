import Resilience
import Routing
import SwiftProtobuf
import XDS

/// A route configuration that stands inside a listener.
struct InlineRoutes {
    let configuration: Envoy_Config_Route_V3_RouteConfiguration
    let path: String
}

/// What listeners and routes compile into beside their own descriptors: the snapshot's shared tables, filled while
/// compiling. Equal configurations share one entry, so that entries keep their numbers.
struct CompiledParts {
    var registry = CompileRegistry()
    /// The inline route tables and RDS names of the listener that is being compiled.
    var inlineRoutes: [Int: InlineRoutes] = [:]
    var subscribedRoutes: Set<String> = []
    var authorizers = AuthorizerTable()
    var accessLogTable = AccessLogTable()
    var filterTables = FilterTables()
    /// What is honoured in part or cannot be served, though nothing is wrong with its form: for the log.
    var warnings: [String] = []
    private(set) var retryPolicies: [RetryPolicy] = []
    /// What each of them says about headers.
    private(set) var retryHeaders: [RetryHeaders] = []
    private var retryNumbers: [Envoy_Config_Route_V3_RetryPolicy: UInt32] = [:]

    /// Entries of all tables, in use or not.
    var entryCount: Int {
        registry.clusterNames.count + registry.routeTableNames.count + registry.tlsSpecs.count
            + registry.criteria.count + registry.provenance.origins.count + authorizers.authorizers.count
            + accessLogTable.descriptors.count + filterTables.headerFormats.count + filterTables.routeFilters.count
            + retryPolicies.count
    }

    /// Compiles a route configuration; nil when it has issues.
    mutating func routeTable(
        _ message: Envoy_Config_Route_V3_RouteConfiguration, path: String, issues: inout [CompileIssue]
    ) -> RouteTable? {
        var compiler = RouteCompiler(parts: self)
        let table = compiler.compile(message, path: path)
        self = compiler.parts
        issues += compiler.issues
        return compiler.issues.isEmpty ? table : nil
    }

    /// The number of a retry policy; `.max`, with issues, for one that cannot be honoured.
    mutating func retryPolicy(
        _ message: Envoy_Config_Route_V3_RetryPolicy, path: String, issues: inout [CompileIssue]
    ) -> UInt32 {
        if let known = retryNumbers[message] { return known }
        let before = issues.count
        let policy = RetryPolicy(message, path: path, issues: &issues)
        let headers = RetryHeaders(message, path: path, issues: &issues)
        guard issues.count == before else { return .max }
        let number = UInt32(retryPolicies.count)
        retryPolicies.append(policy)
        retryHeaders.append(headers)
        retryNumbers[message] = number
        return number
    }
}
