/// When an endpoint that fails is left out for a while. Nil means the default.
package struct OutlierDetection: ObjectDecodable {
    package var location: SourceLocation
    package var splitExternalLocalOriginErrors: Bool?
    package var consecutiveLocalOriginFailures: Int?
    package var consecutiveGatewayErrors: Int?
    /// The old name of `consecutiveGatewayErrors`; it counts where that one is not given.
    package var consecutiveErrors: Int?
    /// 0 turns the count of 5xx answers off; default 5.
    package var consecutive5xxErrors: Int?
    package var interval: Duration?
    package var baseEjectionTime: Duration?
    package var maxEjectionPercent: Int?
    package var minHealthPercent: Int?
    package var outlierDetectionHTTPErrorCodes: [Int]

    package init(_ reader: ObjectReader) {
        location = reader.location
        splitExternalLocalOriginErrors = reader.bool("splitExternalLocalOriginErrors")
        consecutiveLocalOriginFailures = reader.int("consecutiveLocalOriginFailures")
        consecutiveGatewayErrors = reader.int("consecutiveGatewayErrors")
        consecutive5xxErrors = reader.int("consecutive5xxErrors")
        interval = reader.duration("interval", positive: true)
        baseEjectionTime = reader.duration("baseEjectionTime", positive: true)
        maxEjectionPercent = reader.int("maxEjectionPercent", in: 0...100)
        minHealthPercent = reader.int("minHealthPercent", in: 0...100)
        outlierDetectionHTTPErrorCodes = reader.elements("outlierDetectionHttpErrorCodes").compactMap { path, node in
            reader.int(node, path, in: 100...599)
        }
        consecutiveErrors = reader.int("consecutiveErrors", in: 0...Int(Int32.max))
        if consecutiveErrors != nil {
            reader.warning(
                "consecutiveErrors",
                "outlier detection consecutive errors is deprecated: it counts as consecutiveGatewayErrors"
            )
        }
        if consecutiveLocalOriginFailures != nil, splitExternalLocalOriginErrors != true {
            reader.error(
                "consecutiveLocalOriginFailures",
                "has an effect only with splitExternalLocalOriginErrors: true"
            )
        }
    }
}
