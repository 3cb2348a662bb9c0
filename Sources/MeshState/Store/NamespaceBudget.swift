import MeshAPI

/// Keeps one namespace from occupying everybody: what a namespace's resources hold together is bounded.
struct NamespaceBudget {
    enum Outcome { case fits, firstTooMuch, tooMuch }

    /// Where the mesh's operators write, for all.
    private static let exempt: Set<String> = ["istio-system", "kube-system", ""]
    /// Reach the pods of their own namespace only, and to leave one out would let someone in.
    private static let security: Set<String> = ["security.istio.io", "policy.linkerd.io"]

    let limit: Int
    private var spent: [String: Int] = [:]
    private var full: Set<String> = []

    init(limit: Int) { self.limit = limit }

    mutating func spend(_ weight: Int, on key: ResourceKey) -> Outcome {
        guard !Self.exempt.contains(key.namespace), !Self.security.contains(key.group) else { return .fits }
        let total = spent[key.namespace, default: 0] + weight
        guard total > limit else {
            spent[key.namespace] = total
            return .fits
        }
        return full.insert(key.namespace).inserted ? .firstTooMuch : .tooMuch
    }

    func excess(of key: ResourceKey, in file: String) -> Diagnostic {
        Diagnostic(
            .error, at: SourceLocation(file: file, line: 1, column: 1), resource: key.description,
            "the resources of namespace \(key.namespace) hold more than \(limit) values: this one is left out, and all of"
                + " the namespace that do not fit")
    }
}
