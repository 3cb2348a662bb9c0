import EventLoop
import SwiftProtobuf
import XDS

/// Conversions of the small xDS values that occur everywhere.
extension Google_Protobuf_Duration {
    /// Whole milliseconds, rounded up so that a tiny limit does not become "no limit"; nil when negative or too large.
    var milliseconds: UInt32? {
        guard seconds >= 0, (0..<1_000_000_000).contains(nanos), seconds <= Int64(UInt32.max / 1000) - 1 else {
            return nil
        }
        return UInt32(seconds) * 1000 + UInt32((nanos + 999_999) / 1_000_000)
    }
}

/// Reads `duration` as milliseconds; an impossible one is an issue at `path` and reads as `fallback`.
func milliseconds(
    _ duration: Google_Protobuf_Duration, path: String, fallback: UInt32, issues: inout [CompileIssue]
) -> UInt32 {
    if let value = duration.milliseconds { return value }
    issues.append(CompileIssue(path: path, message: "a duration must be between 0s and 4294966s"))
    return fallback
}

extension Envoy_Config_Core_V3_Address {
    /// The address with a literal IP or a path; nil for a host name or when nothing is set.
    var socketAddress: EventLoop.SocketAddress? {
        switch address {
        case .socketAddress(let socket):
            guard let ip = IPAddress(socket.address), let port = UInt16(exactly: socket.portValue) else { return nil }
            return .ip(ip, port: port)
        case .pipe(let pipe): return pipe.path.isEmpty ? nil : .path(pipe.path)
        case nil: return nil
        }
    }
}

extension Envoy_Config_Core_V3_CidrRange {
    var prefix: AddressPrefix? {
        guard let address = IPAddress(addressPrefix) else { return nil }
        let length = Int(prefixLen.value)
        guard length <= (address.isIPv6 ? 128 : 32) else { return nil }
        return AddressPrefix(address: address, length: length)
    }
}

extension Envoy_Config_Core_V3_Metadata {
    /// Where the thing comes from, as our control plane writes it: `VirtualService default/reviews (reviews.yaml:12:5)`.
    var origin: String { filterMetadata["martlet"]?.fields["origin"]?.stringValue ?? "" }
}

/// Unpacks a typed configuration; a wrong type or broken bytes are an issue at `path`.
func unpack<M: Message>(
    _ any: Google_Protobuf_Any, as type: M.Type, path: String, issues: inout [CompileIssue]
) -> M? {
    guard any.isA(type) else {
        issues.append(
            CompileIssue(path: path, message: "\(any.typeURL) is not supported here; expected \(M.protoMessageName)"))
        return nil
    }
    do {
        return try M(unpackingAny: any)
    } catch {
        issues.append(CompileIssue(path: path, message: "\(M.protoMessageName) cannot be decoded: \(error)"))
        return nil
    }
}
