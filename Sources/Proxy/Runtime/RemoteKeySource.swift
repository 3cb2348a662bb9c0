package import Routing

/// Where keys of an issuer of tokens are fetched (envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks).
package struct RemoteKeySource: Sendable {
    /// What tells it from others, for `Authentication.RemoteKeys`.
    package let name: String
    package let uri: String
    package let cluster: ClusterID
    /// Of one fetch; 0 is no limit.
    package let timeoutMilliseconds: UInt64
    /// How long a key set is used before it is fetched again.
    package let freshMilliseconds: UInt64
    /// The request, as HTTP/1.1.
    let request: [UInt8]

    /// Nil when the URI cannot stand in a request.
    package init?(
        uri: String, clusterName: String, cluster: ClusterID, timeoutMilliseconds: UInt64, freshMilliseconds: UInt64
    ) {
        guard uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        var rest = Substring(uri)
        if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
        let host = rest.prefix { $0 != "/" && $0 != "?" }
        let path = rest.dropFirst(host.count).prefix { $0 != "#" }
        let target = path.hasPrefix("/") ? String(path) : "/" + path
        name = "\(clusterName) \(uri)"
        self.uri = uri
        self.cluster = cluster
        self.timeoutMilliseconds = timeoutMilliseconds
        self.freshMilliseconds = freshMilliseconds
        request = Array("GET \(target) HTTP/1.1\r\nhost: \(host)\r\n\r\n".utf8)
    }
}
