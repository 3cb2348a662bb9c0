/// `networking.istio.io` ProxyConfig: settings of proxies that need a restart.
package struct ProxyConfig: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var selector: [String: String]?
    /// Worker threads; 0 is one for each core.
    package var concurrency: Int?
    package var environmentVariables: [String: String]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec")
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        concurrency = spec.int("concurrency", in: 0...Int(Int32.max))
        environmentVariables = spec.stringMap("environmentVariables")
        spec.accept("image")
        if spec.has("image") { spec.warning("image", "is not carried out: the proxy is this program itself") }
    }
}

/// `networking.istio.io` EnvoyFilter: patches of Envoy's own configuration. Read as far as to say what is wrong with its matches.
package struct EnvoyFilter: Sendable, Equatable {
    package var metadata: ObjectMeta

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        spec.accept("workloadSelector", "priority", "targetRefs")
        _ = spec.objects("configPatches", Patch.self)
    }

    private struct Patch: ObjectDecodable {
        init(_ reader: ObjectReader) {
            reader.accept("applyTo", "patch")
            let match = reader.child("match")
            match.accept("proxy", "listener", "routeConfiguration", "cluster")
            let context = match.string("context")
            let waypoint = match.child("waypoint")
            if match.has("waypoint"), context != "WAYPOINT" {
                match.error("waypoint", "only support waypointMatch when context is WAYPOINT")
            }
            _ = waypoint.int("portNumber", in: 1...65535)
            waypoint.accept("filter", "route")
        }
    }
}
