/// Kubernetes Namespace; its labels and annotations choose whether pods get a sidecar.
package struct Namespace: Sendable, Equatable {
    package var metadata: ObjectMeta

    /// The namespace's own name.
    package var name: String { metadata.name }

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        document.accept("spec")
    }
}

/// Kubernetes ServiceAccount: the identity of pods.
package struct ServiceAccount: Sendable, Equatable {
    package var metadata: ObjectMeta

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        document.accept("secrets", "imagePullSecrets", "automountServiceAccountToken")
    }
}
