package import MeshAPI

extension ImageMap {
    /// Reads a `--local` file. Faults are findings with their places; an entry with a fault is left out.
    package static func decode(_ text: String, file: String) -> (map: ImageMap, diagnostics: [Diagnostic]) {
        let context = DecodingContext(file: file, limits: Limits(), regexCheck: { _ in nil })
        do throws(DocumentComposer.Failure) {
            let document = try DocumentComposer.compose(text[...], firstLine: 1, limits: context.limits)
            for fault in document.faults {
                context.report(.error, at: context.location(fault.position), path: "", fault.message)
            }
            guard let root = document.root, !root.isNull else { return (ImageMap(), context.diagnostics) }
            let file = ObjectReader.decode(File.self, from: root, path: "", context: context, unknownFields: .fault)
            return (ImageMap(entries: file?.images.map(\.entry) ?? []), context.diagnostics)
        } catch {
            context.report(.error, at: context.location(error.position), path: "", error.message)
            return (ImageMap(), context.diagnostics)
        }
    }

    private struct File: ObjectDecodable {
        var images: [Image]

        init(_ reader: ObjectReader) {
            images = reader.objects("images")
        }
    }

    private struct Image: ObjectDecodable {
        var entry: Entry

        init(_ reader: ObjectReader) {
            entry = Entry(
                image: reader.requiredString("image"),
                command: reader.strings("command"),
                arguments: reader.has("args") ? reader.strings("args") : nil,
                directory: reader.string("workingDir")
            )
            if entry.command.isEmpty {
                reader.error("command", "a command is required: what runs instead of the image")
            }
            // Both `NAME: value` and Kubernetes's list of names and values.
            if case .sequence = reader.node("env")?.content {
                entry.environment = reader.objects("env", Variable.self).map { EnvironmentVariable($0.name, $0.value) }
            } else {
                entry.environment = reader.stringMap("env").sorted { $0.key < $1.key }.map {
                    EnvironmentVariable($0.key, $0.value)
                }
            }
        }
    }

    private struct Variable: ObjectDecodable {
        var name: String
        var value: String

        init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            value = reader.string("value") ?? ""
        }
    }
}
