// Rules made by other kinds than a VirtualService (TrafficSplit): the same values without a document.

extension HTTPRoute {
    package init(at location: SourceLocation, match: [HTTPMatchRequest], route: [HTTPRouteDestination]) {
        self.location = location
        name = nil
        self.match = match
        self.route = route
        redirect = nil
        directResponse = nil
        delegate = nil
        rewrite = nil
        timeout = nil
        retries = nil
        fault = nil
        mirrors = []
        corsPolicy = nil
        headers = nil
    }
}

extension HTTPRouteDestination {
    package init(at location: SourceLocation, _ destination: Destination, weight: Int) {
        self.location = location
        self.destination = destination
        self.weight = weight
        headers = nil
    }
}

extension RouteDestination {
    package init(at location: SourceLocation, _ destination: Destination, weight: Int) {
        self.location = location
        self.destination = destination
        self.weight = weight
    }
}

extension TCPRoute {
    package init(at location: SourceLocation, route: [RouteDestination]) {
        self.location = location
        match = []
        self.route = route
    }
}

extension Destination {
    package init(at location: SourceLocation, host: Located<String>, port: Int? = nil) {
        self.location = location
        self.host = host
        subset = nil
        self.port = port
    }
}

extension HTTPMatchRequest {
    package init(
        at location: SourceLocation, uri: StringMatch? = nil, method: StringMatch? = nil, headers: [Named] = []
    ) {
        self.location = location
        name = nil
        self.uri = uri
        scheme = nil
        self.method = method
        authority = nil
        self.headers = headers
        withoutHeaders = []
        queryParams = []
        port = nil
        sourceLabels = [:]
        sourceNamespace = nil
        gateways = []
        ignoreURICase = false
        statPrefix = nil
    }
}
