internal import HeaderBlock
internal import SwiftProtobuf
package import XDS

/// What a connection manager makes of a request's path and host before anything looks at them, as its workers do it.
package struct HeadPlan: Sendable {
    private let options: HeadOptions
    private let normalizes: Bool
    private let merges: Bool

    package init(_ manager: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager) {
        var issues: [CompileIssue] = []
        options = HeadOptions(manager, path: "", issues: &issues)
        normalizes = manager.normalizePath.value
        merges = manager.mergeSlashes
    }

    /// Normalises the question; the status of the answer when a request such as this gets no further.
    package func receive(_ question: inout PolicyQuestion) -> Int? {
        var path = Array(question.path.utf8)
        if path.contains(0x23) { return 400 }
        if options.stripsTrailingDot { question.host = Self.withoutDot(question.host) }
        if options.escapedSlashes != .keep {
            let whole = ByteRange(start: 0, length: path.firstIndex(of: 0x3f) ?? path.count)
            if let plain = PathNormalizer.unescapeSlashes(path.span, whole) {
                switch options.escapedSlashes {
                case .keep, .unescape: path = plain + path[whole.upperBound...]
                case .reject: return 400
                case .redirect: return 307
                }
            }
        }
        if normalizes || merges {
            let range = ByteRange(start: 0, length: path.count)
            if PathNormalizer.needsWork(path.span, range, dots: normalizes, merging: merges) {
                var normal: [UInt8] = []
                guard PathNormalizer.normalize(path.span, range, dots: normalizes, merging: merges, into: &normal)
                else {
                    return 400
                }
                path = normal
            }
        }
        question.path = String(decoding: path, as: UTF8.self)
        return nil
    }

    /// `example.com.:80` is `example.com:80`.
    private static func withoutDot(_ host: String) -> String {
        let name = host.prefix { $0 != ":" }
        return name.hasSuffix(".") ? String(name.dropLast()) + host.dropFirst(name.count) : host
    }
}
