/// `networking.istio.io` WorkloadGroup: what endpoints that register themselves look like.
package struct WorkloadGroup: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var labels: [String: String]
    /// What each entry of the group has in common.
    package var template: WorkloadEntry.Spec?
    package var probe: Probe?

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        let reader = spec.child("template", required: true)
        template = spec.has("template") ? WorkloadEntry.Spec(template: reader) : nil
        let metadata = spec.child("metadata")
        labels = metadata.stringMap("labels")
        metadata.accept("annotations")
        probe = spec.object("probe")
    }
}
