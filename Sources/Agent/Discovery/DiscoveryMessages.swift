import SwiftProtobuf
import XDS
import XDSTransport

extension DiscoveryState.Request {
    /// - Parameter node: sent with the first request of a stream.
    func delta(node: Envoy_Config_Core_V3_Node?) -> DiscoveryClient.DeltaRequest {
        var message = DiscoveryClient.DeltaRequest()
        if let node { message.node = node }
        message.typeURL = type
        message.resourceNamesSubscribe = subscribe
        message.resourceNamesUnsubscribe = unsubscribe
        message.initialResourceVersions = heldVersions
        message.responseNonce = nonce
        if let error {
            message.errorDetail.code = 3
            message.errorDetail.message = error
        }
        return message
    }

    /// - Parameter node: sent with the first request of a stream.
    func stateOfTheWorld(node: Envoy_Config_Core_V3_Node?) -> DiscoveryClient.StreamRequest {
        var message = DiscoveryClient.StreamRequest()
        if let node { message.node = node }
        message.typeURL = type
        message.resourceNames = subscribe
        message.versionInfo = version
        message.responseNonce = nonce
        if let error {
            message.errorDetail.code = 3
            message.errorDetail.message = error
        }
        return message
    }
}

extension DiscoveryState.Response {
    init(_ message: DiscoveryClient.DeltaResponse) {
        self.init(
            type: message.typeURL,
            version: message.systemVersionInfo,
            nonce: message.nonce,
            resources: message.resources.map { ($0.name, $0.version, $0.resource) },
            removed: message.removedResources
        )
    }

    init(_ message: DiscoveryClient.StreamResponse) {
        self.init(
            type: message.typeURL,
            version: message.versionInfo,
            nonce: message.nonce,
            resources: message.resources.map { ("", message.versionInfo, $0) }
        )
    }
}
