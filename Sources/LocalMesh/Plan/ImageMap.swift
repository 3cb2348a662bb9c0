/// What runs here instead of a container image: the `--local` file.
///
/// ```yaml
/// images:
///   - image: registry.example.com/shop/        # a name (tag and digest do not count) or a prefix; the longest one wins
///     command: [martlet, example-service, --name, "${NAME}", --port, "${PORT}"]
///     env: { LOG: debug }
/// ```
package struct ImageMap: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package var image: String
        package var command: [String]
        /// Replace the container's args; nil leaves them.
        package var arguments: [String]?
        package var environment: [EnvironmentVariable]
        package var directory: String?

        package init(
            image: String,
            command: [String],
            arguments: [String]? = nil,
            environment: [EnvironmentVariable] = [],
            directory: String? = nil
        ) {
            self.image = image
            self.command = command
            self.arguments = arguments
            self.environment = environment
            self.directory = directory
        }
    }

    package var entries: [Entry]

    package init(entries: [Entry] = []) {
        self.entries = entries
    }

    /// The entry with the longest name that is the image's name or a prefix of it; the first of equals.
    package func entry(for image: String) -> Entry? {
        let name = Self.name(of: image)
        var best: Entry?
        for entry in entries where Self.matches(entry.image, name: name, image: image) {
            if best.map({ entry.image.count > $0.image.count }) ?? true { best = entry }
        }
        return best
    }

    private static func matches(_ pattern: String, name: String, image: String) -> Bool {
        if pattern == "*" { return true }
        return image == pattern || name.hasPrefix(pattern) || image.hasPrefix(pattern)
    }

    /// Without tag and digest: `host:5000/app:1.2@sha256:…` is `host:5000/app`.
    package static func name(of image: String) -> String {
        var name = image
        if let at = name.firstIndex(of: "@") { name = String(name[..<at]) }
        let lastPart = name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex
        if let colon = name[lastPart...].lastIndex(of: ":") { name = String(name[..<colon]) }
        return name
    }
}

/// A name and its value, in the order in which they were written.
package struct EnvironmentVariable: Equatable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}
