internal import HeaderBlock
package import Routing

/// A proxy's route tables, compiled as the proxy compiles them and asked as its workers ask them, but without traffic.
package struct RoutePlan: Sendable {
    package struct Answer: Sendable {
        package var outcome: RouteDecision.Outcome
        package var virtualHost: String
        /// The route by its number in the order of the table; nil when none was found.
        package var route: Int?
        /// The resource that decided, `VirtualService default/reviews (reviews.yaml:12:5)`; empty when none did.
        package var origin: String
    }

    private let snapshot: RuntimeSnapshot

    package init(_ resources: XDSResources) {
        var compiler = RuntimeCompiler()
        snapshot = compiler.snapshot(from: resources)
    }

    /// What a table decides about the question's request; nil when there is no such table.
    package func decide(table name: String, _ question: PolicyQuestion) -> Answer? {
        guard let table = snapshot.routeTables.lazy.compactMap(\.self).first(where: { $0.name == name }) else {
            return nil
        }
        let head = QuestionHead(question)
        let decision = snapshot.decide(
            table, HeadView(head.table, bytes: head.bytes.span), random: 1, metadata: question.metadata)
        return Answer(
            outcome: decision.outcome,
            virtualHost: decision.virtualHost == .max ? "" : table.virtualHostName(decision.virtualHost),
            route: decision.route == .max ? nil : Int(decision.route),
            origin: snapshot.provenance[decision.origin.index])
    }
}
