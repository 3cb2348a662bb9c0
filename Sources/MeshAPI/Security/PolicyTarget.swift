/// The resource that a policy is attached to, instead of workloads by label.
package struct PolicyTarget: ObjectDecodable {
    package var location: SourceLocation
    package var group: String
    package var kind: String
    package var name: String

    private static let known = [
        ("", "Service"), ("gateway.networking.k8s.io", "Gateway"), ("gateway.networking.k8s.io", "GatewayClass"),
        ("networking.istio.io", "ServiceEntry"),
    ]

    package init(_ reader: ObjectReader) {
        location = reader.location
        group = reader.string("group") ?? ""
        kind = reader.requiredString("kind")
        name = reader.requiredString("name")
        if !(reader.string("namespace") ?? "").isEmpty {
            reader.error("namespace", "cross namespace referencing is not supported: leave namespace out")
        }
        if !kind.isEmpty, !Self.known.contains(where: { $0 == group && $1 == kind }) {
            reader.error("kind", "policies cannot be attached to \(kind) of group \"\(group)\"")
        }
    }

    /// `targetRefs` and the older single `targetRef`; neither goes with `selector`.
    static func all(in reader: ObjectReader) -> [PolicyTarget] {
        reader.atMostOne(of: "selector", "targetRef", "targetRefs")
        let list = reader.objects("targetRefs", PolicyTarget.self)
        if list.count > 16 { reader.error("targetRefs", "at most 16 targets are possible, found \(list.count)") }
        return list + (reader.object("targetRef", PolicyTarget.self).map { [$0] } ?? [])
    }
}
