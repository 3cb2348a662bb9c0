/// tokens.json: how a proxy proves to the control plane who it is.
package struct ProxyTokens: Codable, Equatable, Sendable {
    /// For the certificate authority; good once.
    package var ca: String
    /// For configuration; good until it expires.
    package var xds: String

    package init(ca: String, xds: String) {
        self.ca = ca
        self.xds = xds
    }
}
