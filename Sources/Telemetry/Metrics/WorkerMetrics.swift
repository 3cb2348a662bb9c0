/// Everything that one worker counts. The worker owns it and changes it without locks; for a scrape it hands over a copy,
/// which is cheap: the tables are copied only when the worker goes on counting.
package struct WorkerMetrics: Sendable {
    package var mesh: MeshMetrics
    package var clusters = ScopedStatistics<ClusterStatistics>()
    package var listeners = ScopedStatistics<ListenerStatistics>()
    package var http = ScopedStatistics<HTTPStatistics>()
    package var tcp = ScopedStatistics<TCPStatistics>()
    /// By the name of the rule, `ns[NAMESPACE]-policy[NAME]-rule[N]`; `none` is having no rule that matches.
    package var policies = ScopedStatistics<PolicyStatistics>()

    package init(mesh: MeshMetrics = MeshMetrics()) { self.mesh = mesh }
}
