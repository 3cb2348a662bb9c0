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
    private var routeNumbers: [RouteFilterKey: UInt32] = [:]
    /// The route table that is being compiled: places within it are this table's.
    var table = ""
    /// Filters that keep count (buckets, active faults), by the place they are configured at: everything that comes under
    /// that place shares one, and nothing else does.
    private var counting: [PlacedConfiguration: HTTPFilter] = [:]

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

    func number(ofRoute key: RouteFilterKey) -> UInt32? { routeNumbers[key] }

    mutating func add(_ filters: RouteFilters, for key: RouteFilterKey) -> UInt32 {
        routeFilters.append(filters)
        let number = UInt32(routeFilters.count - 1)
        routeNumbers[key] = number
        return number
    }

    /// The filter at a place, from one snapshot to the next as long as its configuration stays the same.
    func counting(at place: String, _ any: Google_Protobuf_Any) -> HTTPFilter? {
        counting[PlacedConfiguration(table: table, place: place, configuration: any)]
    }

    mutating func setCounting(_ filter: HTTPFilter?, at place: String, _ any: Google_Protobuf_Any) {
        counting[PlacedConfiguration(table: table, place: place, configuration: any)] = filter
    }
}

/// What routes with equal keys say about filters is one thing.
struct RouteFilterKey: Hashable {
    let levels: [[String: Google_Protobuf_Any]]
    /// Where the levels stand; empty when no filter in them keeps count.
    let places: [String]
}

private struct PlacedConfiguration: Hashable {
    let table: String
    let place: String
    let configuration: Google_Protobuf_Any
}
