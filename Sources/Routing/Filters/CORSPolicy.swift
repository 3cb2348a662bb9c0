package import HeaderBlock

/// One cross-origin policy as a plain value (envoy.extensions.filters.http.cors.v3.CorsPolicy); texts are what the
/// response's fields say, empty is no field.
package struct CORSPolicySpec: Sendable {
    package var origins: [StringPattern] = []
    package var allowMethods = ""
    package var allowHeaders = ""
    package var exposeHeaders = ""
    package var maxAge = ""
    package var allowsCredentials = false
    package var allowsPrivateNetwork = false
    /// A preflight of a foreign origin goes to the application; otherwise it is answered without permission.
    package var forwardsNotMatchingPreflights = true
    /// Millionths of requests that the policy acts on.
    package var enabled: UInt32 = 1_000_000

    package init() {}
}

/// What a cross-origin policy says about a request.
package enum CORSVerdict: UInt8, Sendable {
    /// No request of a browser across origins.
    case notCrossOrigin
    /// The response gets no permission.
    case foreign
    /// The response gets permission.
    case permitted
    /// Answered here, with permission.
    case permittedPreflight
    /// Answered here, without.
    case foreignPreflight
}

/// A compiled policy (the Fetch standard's CORS protocol, as Envoy's filter carries it out). Immutable.
package final class CORSPolicy: Sendable {
    package let spec: CORSPolicySpec
    private let origins: PatternSet

    package init(_ spec: CORSPolicySpec) throws(RegexProgram.Invalid) {
        self.spec = spec
        origins = try PatternSet(spec.origins)
    }

    private static let origin = HeaderName("origin")
    private static let requestMethod = HeaderName("access-control-request-method")
    private static let requestPrivateNetwork = HeaderName("access-control-request-private-network")

    /// The value of the request's origin field; nil when there is none.
    package static func origin(of head: borrowing HeadView) -> ByteRange? {
        guard let value = head.first(origin), !value.isEmpty else { return nil }
        return value
    }

    /// Whether a preflight asks for access to a private network.
    package static func asksForPrivateNetwork(_ head: borrowing HeadView) -> Bool {
        guard let value = head.first(requestPrivateNetwork) else { return false }
        return head.bytes.equals(value, "true")
    }

    /// - Parameter random: 64 fresh random bits, for a policy that acts on a share of requests.
    package func decide(_ head: borrowing HeadView, random: UInt64) -> CORSVerdict {
        if spec.enabled < 1_000_000, random.multipliedFullWidth(by: 1_000_000).high >= UInt64(spec.enabled) {
            return .notCrossOrigin
        }
        guard let value = Self.origin(of: head) else { return .notCrossOrigin }
        let isPermitted = origins.matches(head.bytes.extracting(value.lowerBound..<value.upperBound))
        if head.knownMethod == .options, let method = head.first(Self.requestMethod), !method.isEmpty {
            if isPermitted { return .permittedPreflight }
            if !spec.forwardsNotMatchingPreflights { return .foreignPreflight }
        }
        return isPermitted ? .permitted : .foreign
    }
}
