/// A label selector as Kubernetes has it: `matchLabels` and `matchExpressions`, all of which must hold; empty selects all.
package struct KubernetesSelector: ObjectDecodable, Equatable {
    package struct Requirement: ObjectDecodable, Equatable {
        package enum Operator: String, CaseIterable, Sendable {
            case isIn = "In"
            case isNotIn = "NotIn"
            case exists = "Exists"
            case doesNotExist = "DoesNotExist"
        }

        package var key: String
        package var `operator`: Operator
        package var values: [String]

        package init(_ reader: ObjectReader) {
            key = reader.requiredString("key")
            `operator` = reader.choice("operator") ?? .exists
            values = reader.strings("values")
            if !reader.has("operator") { reader.error(nil, "operator is required: In, NotIn, Exists or DoesNotExist") }
            let wantsValues = `operator` == .isIn || `operator` == .isNotIn
            if wantsValues, values.isEmpty { reader.error("values", "\(`operator`.rawValue) needs at least one value") }
            if !wantsValues, !values.isEmpty { reader.error("values", "\(`operator`.rawValue) takes no values") }
        }

        func holds(for labels: [String: String]) -> Bool {
            let value = labels[key]
            return switch `operator` {
            case .isIn: value.map(values.contains) ?? false
            case .isNotIn: !(value.map(values.contains) ?? false)
            case .exists: value != nil
            case .doesNotExist: value == nil
            }
        }
    }

    package var matchLabels: [String: String]
    package var matchExpressions: [Requirement]

    package init(_ reader: ObjectReader) {
        matchLabels = reader.stringMap("matchLabels")
        matchExpressions = reader.objects("matchExpressions")
    }

    static let everything = KubernetesSelector()

    private init() {
        matchLabels = [:]
        matchExpressions = []
    }

    package func matches(_ labels: [String: String]) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value } && matchExpressions.allSatisfy { $0.holds(for: labels) }
    }
}
