extension ObjectReader {
    // MARK: Text

    package func located(_ key: String) -> Located<String>? {
        guard let node = node(key), let text = text(node, path(of: key)) else { return nil }
        return Located(text, at: context.location(node.position))
    }

    package func string(_ key: String) -> String? { located(key)?.value }

    /// A field that must be given and not empty. Yields an empty text beside the error when it is not.
    package func requiredLocated(_ key: String) -> Located<String> {
        guard let node = node(key) else {
            error(nil, "\(key) is required")
            return Located("", at: location)
        }
        guard let text = text(node, path(of: key)) else { return Located("", at: location) }
        if text.isEmpty { error(key, "must not be empty") }
        return Located(text, at: context.location(node.position))
    }

    package func requiredString(_ key: String) -> String { requiredLocated(key).value }

    package func locatedStrings(_ key: String) -> [Located<String>] {
        elements(key).compactMap { path, node in
            text(node, path).map { Located($0, at: context.location(node.position)) }
        }
    }

    package func strings(_ key: String) -> [String] { locatedStrings(key).map(\.value) }

    /// A mapping of texts, such as labels. Kubernetes takes no numbers or booleans here either: they need quotes.
    package func stringMap(_ key: String) -> [String: String] {
        var result: [String: String] = [:]
        for (name, path, node) in members(key) {
            if let text = text(node, path) { result[name] = text }
        }
        return result
    }

    package func text(_ node: ConfigNode, _ path: String) -> String? {
        guard case .scalar(let scalar) = node.content else {
            mismatch(node, path, expected: "text")
            return nil
        }
        if scalar.isPlain, node.isNull || YAMLScalar.boolean(scalar.text) != nil || YAMLScalar.isNumber(scalar.text) {
            let fix = node.isNull ? "" : "; put it in quotes: \"\(scalar.text)\""
            context.report(
                .error,
                at: context.location(node.position),
                path: path,
                "expected text, found \(node.kindDescription)\(fix)"
            )
            return nil
        }
        return scalar.text
    }

    // MARK: Numbers, booleans, durations

    package func bool(_ key: String) -> Bool? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let scalar) = node.content, scalar.isPlain, let value = YAMLScalar.boolean(scalar.text)
        else {
            mismatch(node, path(of: key), expected: "true or false")
            return nil
        }
        return value
    }

    /// A whole number within `range`; the default is what an API field of 32 bits without sign takes.
    package func int(_ key: String, in range: ClosedRange<Int> = 0...Int(UInt32.max)) -> Int? {
        node(key).flatMap { int($0, path(of: key), in: range) }
    }

    package func int(_ node: ConfigNode, _ path: String, in range: ClosedRange<Int>) -> Int? {
        guard case .scalar(let scalar) = node.content, scalar.isPlain, let value = YAMLScalar.integer(scalar.text)
        else {
            mismatch(node, path, expected: "a whole number")
            return nil
        }
        guard let value = Int(exactly: value), range.contains(value) else {
            context.report(
                .error,
                at: context.location(node.position),
                path: path,
                "must be between \(range.lowerBound) and \(range.upperBound), found \(value)"
            )
            return nil
        }
        return value
    }

    package func double(_ key: String, in range: ClosedRange<Double> = -Double.infinity...Double.infinity) -> Double? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let scalar) = node.content, scalar.isPlain, let value = YAMLScalar.number(scalar.text) else {
            mismatch(node, path(of: key), expected: "a number")
            return nil
        }
        guard range.contains(value) else {
            error(key, "must be between \(range.lowerBound) and \(range.upperBound), found \(scalar.text)")
            return nil
        }
        return value
    }

    /// A duration such as `1.5s`; Istio's schema takes none between 0 and 1 ms and nothing negative.
    package func duration(_ key: String, positive: Bool = false) -> Duration? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let scalar) = node.content, let value = DurationText.parse(scalar.text) else {
            mismatch(node, path(of: key), expected: "a duration such as 10s, 1.5s or 250ms")
            return nil
        }
        if value < .zero {
            error(key, "a duration must not be negative, found \(scalar.text)")
        } else if value == .zero ? positive : value < .milliseconds(1) {
            error(key, "must be a valid duration of at least 1ms, found \(scalar.text)")
        } else if value.components.attoseconds % 1_000_000_000_000_000 != 0 {
            error(key, "only durations of whole milliseconds are supported, found \(scalar.text)")
        }
        return value
    }

    /// One of the named values of `Choice`.
    package func choice<Choice>(_ key: String, _ type: Choice.Type = Choice.self) -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let node = node(key) else { return nil }
        let names = Choice.allCases.map(\.rawValue)
        guard case .scalar(let scalar) = node.content else {
            mismatch(node, path(of: key), expected: "one of \(names.joined(separator: ", "))")
            return nil
        }
        if let value = Choice(rawValue: scalar.text) { return value }
        context.report(
            .error,
            at: context.location(node.position),
            path: path(of: key),
            "unsupported value \"\(scalar.text)\": expected one of \(names.joined(separator: ", "))"
                + Suggestion.clause(for: scalar.text, among: names)
        )
        return nil
    }

    private func mismatch(_ node: ConfigNode, _ path: String, expected: String) {
        var message = "expected \(expected), found \(node.kindDescription)"
        if case .scalar(let scalar) = node.content, !scalar.isPlain,
            YAMLScalar.boolean(scalar.text) != nil || YAMLScalar.isNumber(scalar.text), expected != "text"
        {
            message += "; remove the quotes"
        }
        context.report(.error, at: context.location(node.position), path: path, message)
    }
}
