import EventLoop
import SwiftProtobuf
import XDS

extension HeadOptions {
    /// Of an envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.
    init(
        _ manager: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager, path: String,
        issues: inout [CompileIssue]
    ) {
        self.init()
        func issue(_ field: String, _ text: String) {
            issues.append(CompileIssue(path: "\(path).\(field)", message: text))
        }
        switch manager.pathWithEscapedSlashesAction {
        case .rejectRequest: escapedSlashes = .reject
        case .unescapeAndRedirect: escapedSlashes = .redirect
        case .unescapeAndForward: escapedSlashes = .unescape
        default: break
        }
        switch manager.commonHTTPProtocolOptions.headersWithUnderscoresAction {
        case .rejectRequest: underscores = .reject
        case .dropHeader: underscores = .drop
        default: break
        }
        if manager.stripMatchingHostPort { strippedPort = .matching }
        stripsTrailingDot = manager.stripTrailingHostDot
        if manager.hasSchemeHeaderTransformation {
            let field = "scheme_header_transformation"
            if manager.schemeHeaderTransformation.matchUpstream {
                issue(field + ".match_upstream", "not supported yet")
            }
            switch manager.schemeHeaderTransformation.schemeToOverwrite {
            case "": break
            case "http": scheme = .http
            case "https": scheme = .https
            default: issue(field + ".scheme_to_overwrite", "must be http or https")
            }
        }
        via = Array(manager.via.utf8)
    }
}

/// Where the client's address comes from (original_ip_detection_extensions).
struct ClientDetection {
    var usesRemoteAddress: Bool
    var trustedHops: UInt32
    var skipsAppend: Bool

    init(
        _ manager: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager, path: String,
        issues: inout [CompileIssue]
    ) {
        usesRemoteAddress = manager.useRemoteAddress.value
        trustedHops = manager.xffNumTrustedHops
        skipsAppend = manager.skipXffAppend
        guard let first = manager.originalIpDetectionExtensions.first else { return }
        let place = path + ".original_ip_detection_extensions"
        guard manager.originalIpDetectionExtensions.count == 1 else {
            issues.append(CompileIssue(path: place, message: "only one extension is supported"))
            return
        }
        if manager.useRemoteAddress.value || manager.xffNumTrustedHops > 0 {
            issues.append(
                CompileIssue(path: place, message: "excludes use_remote_address and xff_num_trusted_hops"))
        }
        guard
            let xff = unpack(
                first.typedConfig, as: Envoy_Extensions_Http_OriginalIpDetection_Xff_V3_XffConfig.self,
                path: place + "[0].typed_config", issues: &issues)
        else { return }
        trustedHops = xff.xffNumTrustedHops
        if xff.hasSkipXffAppend, !xff.skipXffAppend.value {
            issues.append(
                CompileIssue(path: place + "[0].typed_config.skip_xff_append", message: "false is not supported yet"))
        }
    }
}

extension InternalAddresses {
    private static let privateRanges = [
        ("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("127.0.0.0", 8), ("fc00::", 7), ("::1", 128),
    ].compactMap { text, length in IPAddress(text).map { AddressPrefix(address: $0, length: length) } }

    /// nil without `internal_address_config`.
    init?(
        _ manager: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager, path: String,
        issues: inout [CompileIssue]
    ) {
        guard manager.hasInternalAddressConfig else { return nil }
        var ranges: [AddressPrefix] = []
        for (index, range) in manager.internalAddressConfig.cidrRanges.enumerated() {
            if let prefix = range.prefix {
                ranges.append(prefix)
            } else {
                issues.append(
                    CompileIssue(
                        path: "\(path).internal_address_config.cidr_ranges[\(index)]",
                        message: "is not an address range"))
            }
        }
        // Without any the private ones count, as with Envoy.
        if manager.internalAddressConfig.cidrRanges.isEmpty { ranges = Self.privateRanges }
        self.init(ranges: ranges, unixSockets: manager.internalAddressConfig.unixSockets)
    }
}
