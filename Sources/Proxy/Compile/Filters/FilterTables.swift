import Routing
import SwiftProtobuf
import Telemetry
import XDS

/// What HTTP filters share in a snapshot: header formats, numbers of filter names, and what routes say about filters.
/// Equal things share a number, which they keep from one snapshot to the next.
struct FilterTables {
    private(set) var headerFormats: [AccessLogFormat] = []
    private var formatNumbers: [String: UInt32] = [:]
    private var filterNumbers: [String: UInt16] = [:]
    private(set) var routeFilters: [RouteFilters] = []
    private var routeNumbers: [[[String: Google_Protobuf_Any]]: UInt32] = [:]

    /// The number of a header value with command operators.
    mutating func format(_ text: String) throws(AccessLogFormatError) -> UInt32 {
        if let known = formatNumbers[text] { return known }
        headerFormats.append(try AccessLogFormat(AccessLogFormatSpec(.text(text), omitsEmptyValues: true)))
        let number = UInt32(headerFormats.count - 1)
        formatNumbers[text] = number
        return number
    }

    /// The number of a filter's name.
    mutating func filter(_ name: String) -> UInt16 {
        if let known = filterNumbers[name] { return known }
        let number = UInt16(truncatingIfNeeded: filterNumbers.count)
        filterNumbers[name] = number
        return number
    }

    func number(ofRoute levels: [[String: Google_Protobuf_Any]]) -> UInt32? { routeNumbers[levels] }

    mutating func add(_ filters: RouteFilters, for levels: [[String: Google_Protobuf_Any]]) -> UInt32 {
        routeFilters.append(filters)
        let number = UInt32(routeFilters.count - 1)
        routeNumbers[levels] = number
        return number
    }
}
