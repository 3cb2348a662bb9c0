/// The names that Istio gives to Envoy resources; users' tools and logs know them.
enum Names {
    static let passthrough = "PassthroughCluster"
    static let blackHole = "BlackHoleCluster"
    static let inboundPassthrough = "InboundPassthroughCluster"
    static let virtualOutbound = "virtualOutbound"
    static let virtualInbound = "virtualInbound"
    /// Secrets that the proxy makes itself from its signed certificate.
    static let workloadSecret = "default"
    static let rootSecret = "ROOTCA"

    static let outboundCapturePort = 15001
    static let inboundCapturePort = 15006

    static func outboundCluster(port: Int, subset: String = "", host: String) -> String {
        "outbound|\(port)|\(subset)|\(host)"
    }

    static func inboundCluster(port: Int) -> String {
        "inbound|\(port)||"
    }

    /// The server name in mutual TLS between sidecars.
    static func serverName(port: Int, subset: String, host: String) -> String {
        "outbound_.\(port)_.\(subset)_.\(host)"
    }

    static func gatewaySecret(_ credential: String) -> String {
        "kubernetes://\(credential)"
    }
}
