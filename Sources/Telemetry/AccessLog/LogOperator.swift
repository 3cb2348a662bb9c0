/// What one `%COMMAND%` of a format shows (Envoy's access log command operators).
enum LogOperator: UInt8, Sendable {
    case startTime, request, requestWithoutQuery, response, trailer, scheme, responseStatus
    case requestProtocol, upstreamProtocol, responseCode, responseFlags, responseFlagsLong, responseCodeDetails
    case connectionTerminationDetails, upstreamTransportFailureReason
    case bytesReceived, bytesSent, requestHeaderBytes, responseHeaderBytes
    case duration, requestDuration, requestTransmitDuration, responseDuration, responseTransmitDuration
    case upstreamRemote, upstreamLocal, downstreamLocal, downstreamRemote, downstreamDirectRemote
    case downstreamDirectLocal
    case upstreamCluster, upstreamClusterRaw, routeName, virtualHostName, virtualClusterName, filterChainName, origin
    case requestedServerName, downstreamPeerURI, downstreamPeerSubject, downstreamTLSVersion, downstreamTLSCipher
    case upstreamPeerURI, upstreamTLSVersion, upstreamTLSCipher
    case dynamicMetadata
    case attemptCount, connectionID, upstreamConnectionID, grpcStatus, grpcStatusSnake, grpcStatusNumber

    enum AddressPart: UInt8, Sendable { case whole, host, port }

    /// Commands without arguments, by name.
    static let plain: [String: (LogOperator, AddressPart)] = [
        "PROTOCOL": (.requestProtocol, .whole),
        "UPSTREAM_PROTOCOL": (.upstreamProtocol, .whole),
        "RESPONSE_CODE": (.responseCode, .whole),
        "RESPONSE_FLAGS": (.responseFlags, .whole),
        "RESPONSE_FLAGS_LONG": (.responseFlagsLong, .whole),
        "RESPONSE_CODE_DETAILS": (.responseCodeDetails, .whole),
        "CONNECTION_TERMINATION_DETAILS": (.connectionTerminationDetails, .whole),
        "UPSTREAM_TRANSPORT_FAILURE_REASON": (.upstreamTransportFailureReason, .whole),
        "BYTES_RECEIVED": (.bytesReceived, .whole),
        "BYTES_SENT": (.bytesSent, .whole),
        "REQUEST_HEADERS_BYTES": (.requestHeaderBytes, .whole),
        "RESPONSE_HEADERS_BYTES": (.responseHeaderBytes, .whole),
        "DURATION": (.duration, .whole),
        "REQUEST_DURATION": (.requestDuration, .whole),
        "REQUEST_TX_DURATION": (.requestTransmitDuration, .whole),
        "RESPONSE_DURATION": (.responseDuration, .whole),
        "RESPONSE_TX_DURATION": (.responseTransmitDuration, .whole),
        "UPSTREAM_HOST": (.upstreamRemote, .whole),
        "UPSTREAM_REMOTE_ADDRESS": (.upstreamRemote, .whole),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": (.upstreamRemote, .host),
        "UPSTREAM_REMOTE_PORT": (.upstreamRemote, .port),
        "UPSTREAM_LOCAL_ADDRESS": (.upstreamLocal, .whole),
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": (.upstreamLocal, .host),
        "UPSTREAM_LOCAL_PORT": (.upstreamLocal, .port),
        "DOWNSTREAM_LOCAL_ADDRESS": (.downstreamLocal, .whole),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": (.downstreamLocal, .host),
        "DOWNSTREAM_LOCAL_PORT": (.downstreamLocal, .port),
        "DOWNSTREAM_REMOTE_ADDRESS": (.downstreamRemote, .whole),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": (.downstreamRemote, .host),
        "DOWNSTREAM_REMOTE_PORT": (.downstreamRemote, .port),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": (.downstreamDirectRemote, .whole),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": (.downstreamDirectRemote, .host),
        "DOWNSTREAM_DIRECT_REMOTE_PORT": (.downstreamDirectRemote, .port),
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS": (.downstreamDirectLocal, .whole),
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT": (.downstreamDirectLocal, .host),
        "DOWNSTREAM_DIRECT_LOCAL_PORT": (.downstreamDirectLocal, .port),
        "UPSTREAM_CLUSTER": (.upstreamCluster, .whole),
        "UPSTREAM_CLUSTER_RAW": (.upstreamClusterRaw, .whole),
        "ROUTE_NAME": (.routeName, .whole),
        "VIRTUAL_CLUSTER_NAME": (.virtualClusterName, .whole),
        "MARTLET_VIRTUAL_HOST": (.virtualHostName, .whole),
        "FILTER_CHAIN_NAME": (.filterChainName, .whole),
        "MARTLET_ORIGIN": (.origin, .whole),
        "REQUESTED_SERVER_NAME": (.requestedServerName, .whole),
        "DOWNSTREAM_PEER_URI_SAN": (.downstreamPeerURI, .whole),
        "DOWNSTREAM_PEER_SUBJECT": (.downstreamPeerSubject, .whole),
        "DOWNSTREAM_TLS_VERSION": (.downstreamTLSVersion, .whole),
        "DOWNSTREAM_TLS_CIPHER": (.downstreamTLSCipher, .whole),
        "UPSTREAM_PEER_URI_SAN": (.upstreamPeerURI, .whole),
        "UPSTREAM_TLS_VERSION": (.upstreamTLSVersion, .whole),
        "UPSTREAM_TLS_CIPHER": (.upstreamTLSCipher, .whole),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT": (.attemptCount, .whole),
        "CONNECTION_ID": (.connectionID, .whole),
        "UPSTREAM_CONNECTION_ID": (.upstreamConnectionID, .whole),
        "GRPC_STATUS": (.grpcStatus, .whole),
        "GRPC_STATUS_NUMBER": (.grpcStatusNumber, .whole),
    ]

    /// Commands that name headers, `%REQ(FIRST?SECOND):LENGTH%`.
    static let headers: [String: LogOperator] = [
        "REQ": .request, "REQ_WITHOUT_QUERY": .requestWithoutQuery, "RESP": .response, "TRAILER": .trailer,
    ]
}

/// One piece of a compiled format.
struct LogStep: Sendable {
    enum Style: UInt8, Sendable {
        /// Bytes as they are.
        case literal
        /// A value in a line of text.
        case text
        /// A value inside a JSON string, escaped.
        case fragment
        /// A JSON member or element: its key, a typed value, a comma.
        case value
        /// Takes back a last comma and writes the literal behind it.
        case close
    }

    var style: Style
    var command = LogOperator.startTime
    var part = LogOperator.AddressPart.whole
    /// Into the literals of the format.
    var literalStart: UInt32 = 0
    var literalCount: UInt32 = 0
    /// The most bytes of the value.
    var limit = UInt32.max
    /// Into the format's header names, or its time formats; `.max` is none.
    var first = UInt16.max
    var second = UInt16.max
}
