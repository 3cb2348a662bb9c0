/// Kubernetes ConfigMap: named texts for environment variables and files.
package struct ConfigMap: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var data: [String: String]
    package var binaryData: [String: [UInt8]]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        data = document.stringMap("data")
        binaryData = document.base64Map("binaryData")
        document.accept("immutable")
    }
}

/// Kubernetes Secret, with `data` decoded and `stringData` merged over it.
package struct Secret: Sendable, Equatable {
    package var metadata: ObjectMeta
    /// `Opaque`, `kubernetes.io/tls` …
    package var type: String
    package var data: [String: [UInt8]]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        type = document.string("type") ?? "Opaque"
        data = document.base64Map("data")
        for (name, text) in document.stringMap("stringData") { data[name] = Array(text.utf8) }
        document.accept("immutable")
        if type == "kubernetes.io/tls" {
            for name in ["tls.crt", "tls.key"] where data[name] == nil {
                document.error("data", "a Secret of type kubernetes.io/tls needs \(name)")
            }
        }
    }
}

extension ObjectReader {
    /// A mapping of names to base64 texts.
    func base64Map(_ key: String) -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        for (name, path, node) in members(key) {
            guard case .scalar(let scalar) = node.content else {
                context.report(.error, at: context.location(node.position), path: path, "expected base64 text")
                continue
            }
            guard let bytes = Base64.decode(scalar.text) else {
                context.report(.error, at: context.location(node.position), path: path, "not valid base64")
                continue
            }
            result[name] = bytes
        }
        return result
    }
}
