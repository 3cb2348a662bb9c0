import FoundationEssentials
package import SwiftProtobuf

/// The type URLs of the resources that travel over aggregated discovery.
package enum TypeURL {
    package static let prefix = "type.googleapis.com/"

    package static let cluster = prefix + "envoy.config.cluster.v3.Cluster"
    package static let endpoint = prefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"
    package static let listener = prefix + "envoy.config.listener.v3.Listener"
    package static let route = prefix + "envoy.config.route.v3.RouteConfiguration"
    package static let secret = prefix + "envoy.extensions.transport_sockets.tls.v3.Secret"
    package static let nameTable = prefix + "istio.networking.nds.v1.NameTable"

    /// The order in which a server pushes changes, so that nothing refers to what is not there yet (make before break).
    package static let pushOrder = [cluster, endpoint, listener, route, secret, nameTable]

    /// The type URL of a message type.
    package static func of(_ type: any Message.Type) -> String {
        prefix + type.protoMessageName
    }
}

extension Google_Protobuf_Any {
    /// Wraps a message under its type URL. Output is deterministic: equal messages give equal bytes (map order fixed).
    package init(packing message: some Message) {
        self.init()
        typeURL = TypeURL.of(type(of: message))
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        let bytes: [UInt8]? = try? message.serializedBytes(partial: true, options: options)
        value = .init(bytes ?? [])
    }
}
