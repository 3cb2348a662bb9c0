/// `networking.istio.io` WorkloadGroup: what endpoints that register themselves look like.
package struct WorkloadGroup: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var labels: [String: String]
    package var probe: Probe?

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        let template = spec.child("template", required: true)
        template.accept("ports", "network", "locality", "weight", "serviceAccount", "address", "labels")
        let metadata = spec.child("metadata")
        labels = metadata.stringMap("labels")
        metadata.accept("annotations")
        probe = spec.object("probe")
    }
}
