import MeshAPI
import Testing

/// Findings of a manifest named `f.yaml`, in the order of their places.
func findings(_ text: String, decoder: ManifestDecoder = ManifestDecoder()) -> [String] {
    decoder.decode(text, file: "f.yaml").flatMap(\.diagnostics).sorted { $0.location < $1.location }.map(\.description)
}

func resources(_ text: String) -> [Resource] {
    ManifestDecoder().decode(text, file: "f.yaml").compactMap(\.resource)
}
