import Routing

extension StringPattern {
    /// Envoy's URI templates (envoy.extensions.path.match.uri_template.v3): `*` is the text of one segment, `**` any rest
    /// and stands last; variables (`{name}`, `{name=*}`) match as what they hold. nil for anything else.
    init?(pathTemplate: String) {
        guard pathTemplate.hasPrefix("/") else { return nil }
        var regex = ""
        var endsHere = false
        for segment in pathTemplate.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard !endsHere, let part = Self.regex(ofSegment: segment, endsHere: &endsHere) else { return nil }
            regex += "/" + part
        }
        self.init(.regex, regex)
    }

    private static let segment = "[a-zA-Z0-9\\-._~%!$&'()+,;=:@]+"

    private static func regex(ofSegment text: Substring, endsHere: inout Bool) -> String? {
        if text == "*" { return segment }
        if text == "**" {
            endsHere = true
            return "[a-zA-Z0-9\\-._~%!$&'()+,;=:@/]*"
        }
        if text.hasPrefix("{"), text.hasSuffix("}") {
            let parts = text.dropFirst().dropLast().split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first, !name.isEmpty else { return nil }
            return parts.count == 1 ? segment : regex(ofSegment: parts[1], endsHere: &endsHere)
        }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_", "-", "~", "%", "!", "&", "'", ",", ";", "=", ":", "@":
                result.unicodeScalars.append(scalar)
            case ".", "$", "(", ")", "+":
                result += "\\"
                result.unicodeScalars.append(scalar)
            default: return nil
            }
        }
        return result
    }
}
