import Glibc

/// Addresses as certificates hold them (RFC 5280 section 4.2.1.6): 4 or 16 bytes in network order.
enum IPAddressText {
    /// - Returns: nil when the text is no address.
    static func bytes(_ text: String) -> [UInt8]? {
        var short = in_addr()
        if inet_pton(AF_INET, text, &short) == 1 { return withUnsafeBytes(of: &short) { Array($0) } }
        var long = in6_addr()
        if inet_pton(AF_INET6, text, &long) == 1 { return withUnsafeBytes(of: &long) { Array($0) } }
        return nil
    }
}
