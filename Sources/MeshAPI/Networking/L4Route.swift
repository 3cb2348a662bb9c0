/// One rule of `spec.tls`: routes TLS that is passed through, by server name.
package struct TLSRoute: ObjectDecodable {
    package var location: SourceLocation
    package var match: [TLSMatchAttributes]
    package var route: [RouteDestination]

    package init(_ reader: ObjectReader) {
        location = reader.location
        match = reader.objects("match")
        route = reader.objects("route")
        if match.isEmpty { reader.error(nil, "match is required: at least one entry with sniHosts") }
        RouteDestination.check(route, reader)
    }
}

/// One rule of `spec.tcp`.
package struct TCPRoute: ObjectDecodable {
    package var location: SourceLocation
    package var match: [L4MatchAttributes]
    package var route: [RouteDestination]

    package init(_ reader: ObjectReader) {
        location = reader.location
        match = reader.objects("match")
        route = reader.objects("route")
        RouteDestination.check(route, reader)
    }
}

/// A destination with its share of the connections.
package struct RouteDestination: ObjectDecodable {
    package var location: SourceLocation
    package var destination: Destination?
    package var weight: Int

    package init(_ reader: ObjectReader) {
        location = reader.location
        destination = reader.object("destination")
        weight = reader.int("weight", in: 0...Int(Int32.max)) ?? 0
        if !reader.has("destination") { reader.error(nil, "destination is required") }
    }

    static func check(_ route: [RouteDestination], _ reader: ObjectReader) {
        if route.isEmpty { reader.error(nil, "route is required: at least one destination") }
        WeightRules.check(route.map(\.weight), reader)
    }
}

/// Conditions on a TLS connection; all that are given must hold.
package struct TLSMatchAttributes: ObjectDecodable {
    package var location: SourceLocation
    package var sniHosts: [Located<String>]
    package var destinationSubnets: [String]
    package var port: Int?
    package var sourceLabels: [String: String]
    package var gateways: [Located<String>]
    package var sourceNamespace: String?

    package init(_ reader: ObjectReader) {
        location = reader.location
        sniHosts = reader.locatedStrings("sniHosts")
        destinationSubnets = reader.strings("destinationSubnets")
        port = reader.int("port", in: 0...65535)
        sourceLabels = reader.stringMap("sourceLabels")
        gateways = reader.locatedStrings("gateways")
        sourceNamespace = reader.string("sourceNamespace")
        if sniHosts.isEmpty { reader.error(nil, "sniHosts is required: at least one server name") }
        for host in sniHosts {
            if let fault = HostRules.faultOfServerName(host.value) { reader.error("sniHosts", fault) }
        }
        AddressRules.checkSubnets(destinationSubnets, key: "destinationSubnets", reader)
    }
}

/// Conditions on a TCP connection; all that are given must hold.
package struct L4MatchAttributes: ObjectDecodable {
    package var location: SourceLocation
    package var destinationSubnets: [String]
    package var port: Int?
    package var sourceLabels: [String: String]
    package var gateways: [Located<String>]
    package var sourceNamespace: String?

    package init(_ reader: ObjectReader) {
        location = reader.location
        destinationSubnets = reader.strings("destinationSubnets")
        port = reader.int("port", in: 0...65535)
        sourceLabels = reader.stringMap("sourceLabels")
        gateways = reader.locatedStrings("gateways")
        sourceNamespace = reader.string("sourceNamespace")
        reader.notSupported("sourceSubnet", "the field is deprecated in Istio and never had an effect")
        AddressRules.checkSubnets(destinationSubnets, key: "destinationSubnets", reader)
    }
}
