/// One rule of `spec.http`: which requests it takes and what happens to them.
package struct HTTPRoute: ObjectDecodable {
    package var location: SourceLocation
    package var name: String?
    /// Alternatives; empty matches every request.
    package var match: [HTTPMatchRequest]
    package var route: [HTTPRouteDestination]
    package var redirect: HTTPRedirect?
    package var directResponse: HTTPDirectResponse?
    package var delegate: Delegate?
    package var rewrite: HTTPRewrite?
    /// Nil and zero both mean no timeout.
    package var timeout: Duration?
    package var retries: HTTPRetry?
    package var fault: HTTPFaultInjection?
    package var mirrors: [HTTPMirrorPolicy]
    package var corsPolicy: CORSPolicy?
    package var headers: Headers?

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.string("name")
        match = reader.objects("match")
        route = reader.objects("route")
        redirect = reader.object("redirect")
        directResponse = reader.object("directResponse")
        delegate = reader.object("delegate")
        rewrite = reader.object("rewrite")
        timeout = reader.duration("timeout")
        retries = reader.object("retries")
        fault = reader.object("fault")
        mirrors = HTTPMirrorPolicy.all(in: reader)
        corsPolicy = reader.object("corsPolicy")
        headers = reader.object("headers")
        reader.notSupported("websocketUpgrade", "Istio removed the field; upgrades need no setting")
        HTTPRouteRules.check(self, reader)
    }
}

/// A destination of a rule with its share of the traffic.
package struct HTTPRouteDestination: ObjectDecodable {
    package var location: SourceLocation
    package var destination: Destination?
    /// Relative to the other destinations of the rule; it is ignored when there is only one.
    package var weight: Int
    package var headers: Headers?

    package init(_ reader: ObjectReader) {
        location = reader.location
        destination = reader.object("destination")
        weight = reader.int("weight", in: 0...Int(Int32.max)) ?? 0
        headers = reader.object("headers")
        if !reader.has("destination") { reader.error(nil, "destination is required") }
    }
}

/// Reference to the VirtualService that holds the rules.
package struct Delegate: ObjectDecodable {
    package var location: SourceLocation
    package var name: String
    /// Nil means the namespace of the referring VirtualService.
    package var namespace: String?

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.requiredString("name")
        namespace = reader.string("namespace")
    }
}

/// Copies requests to another destination and drops the answers.
package struct HTTPMirrorPolicy: ObjectDecodable {
    package var location: SourceLocation
    package var destination: Destination?
    /// Share of requests in percent; nil means all.
    package var percentage: Double?

    package init(_ reader: ObjectReader) {
        location = reader.location
        destination = reader.object("destination")
        percentage = reader.object("percentage", Percent.self)?.value
        if !reader.has("destination") { reader.error(nil, "destination is required") }
    }

    private init(location: SourceLocation, destination: Destination, percentage: Double?) {
        self.location = location
        self.destination = destination
        self.percentage = percentage
    }

    /// The `mirrors` list or the older single `mirror` with its percentage.
    static func all(in reader: ObjectReader) -> [HTTPMirrorPolicy] {
        let list = reader.objects("mirrors", HTTPMirrorPolicy.self)
        let single = reader.object("mirror", Destination.self)
        let share = reader.object("mirrorPercentage", Percent.self)?.value
        let oldShare = reader.int("mirrorPercent", in: 0...100)
        if oldShare != nil {
            reader.warning("mirrorPercent", "using deprecated field mirrorPercent: use mirrorPercentage")
        }
        guard let single else { return list }
        if !list.isEmpty { reader.error("mirrors", "only one of mirror, mirrors may be set") }
        let percentage = share ?? oldShare.map(Double.init)
        return list + [HTTPMirrorPolicy(location: single.location, destination: single, percentage: percentage)]
    }
}
