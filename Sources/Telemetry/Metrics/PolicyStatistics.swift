/// What one rule of authorization decided: requests and connections together.
package struct PolicyStatistics: StatisticGroup {
    package var allowed: UInt64 = 0
    package var denied: UInt64 = 0
    package var shadowAllowed: UInt64 = 0
    package var shadowDenied: UInt64 = 0

    package init() {}

    package static var family: StatisticFamily { StatisticFamily(name: "rbac_policy", label: "policy") }

    package static var fields: [StatisticField<Self>] {
        [
            StatisticField("allowed", .counter, \.allowed, "Requests and connections that the rule allowed."),
            StatisticField(
                "denied", .counter, \.denied, "Requests and connections that the rule, or no rule, denied."),
            StatisticField("shadow_allowed", .counter, \.shadowAllowed, "What the rule would allow, were it in force."),
            StatisticField("shadow_denied", .counter, \.shadowDenied, "What the rule would deny, were it in force."),
        ]
    }
}
