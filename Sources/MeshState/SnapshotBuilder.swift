package import MeshAPI

/// Makes a snapshot of resources and running pods. Pure: the same input gives the same snapshot.
package struct SnapshotBuilder: Sendable {
    package var settings: MeshSettings

    package init(settings: MeshSettings = MeshSettings()) { self.settings = settings }

    package struct Result: Sendable {
        package var snapshot: MeshSnapshot
        /// Warnings about how resources fit together.
        package var diagnostics: [Diagnostic]
    }

    /// `previous` keeps addresses stable, and VirtualServices in force whose new version refers to what does not exist yet.
    package func build(
        _ resources: ResourceSet,
        workloads: [MeshWorkload] = [],
        previous: MeshSnapshot? = nil
    ) -> Result {
        let addresses = Dictionary(
            (previous?.services ?? []).compactMap { service in service.address.map { (service.host, $0) } }
        ) { first, _ in first }
        let own = ServiceResolution.resolve(resources.services, settings: settings, previous: addresses)
        let entries = ServiceEntryResolution.resolve(
            resources.serviceEntries, settings: settings, previous: addresses, taken: own.compactMap(\.address)
        )
        let services = entries.isEmpty ? own : own + entries
        let rules = DestinationRuleResolution.resolve(resources.destinationRules, settings: settings)
        var routes = VirtualServiceResolution.resolve(resources.virtualServices, settings: settings)
        let splits = TrafficSplitResolution.resolve(
            resources.trafficSplits, groups: resources.httpRouteGroups, beside: routes.services, settings: settings
        )
        routes.services += splits.services
        routes.diagnostics += splits.diagnostics
        let snapshot = { (virtualServices: [ResolvedVirtualService], rules: [ResolvedDestinationRule]) in
            MeshSnapshot(
                generation: (previous?.generation ?? 0) + 1,
                settings: settings,
                resources: resources,
                services: services,
                workloads: workloads.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) },
                virtualServices: virtualServices,
                destinationRules: rules
            )
        }
        var wanted = snapshot(routes.services, rules.rules)
        var check = ReferenceCheck(wanted)
        var diagnostics = resources.diagnostics + rules.diagnostics + routes.diagnostics + check.diagnostics()
        let keptRules = Self.keepRules(rules.rules, routes.services, previous: previous, check)
        if !keptRules.diagnostics.isEmpty {
            diagnostics += keptRules.diagnostics
            wanted = snapshot(routes.services, keptRules.rules)
            check = ReferenceCheck(wanted)
        }
        let held = Self.hold(routes.services, previous: previous, check)
        diagnostics += held.diagnostics
        return Result(
            snapshot: held.diagnostics.isEmpty ? wanted : snapshot(held.services, keptRules.rules),
            diagnostics: diagnostics
        )
    }

    /// A VirtualService that begins to name a host or subset that does not exist would turn good answers into 503s until the
    /// other half of the change arrives. While its last version still works, that one stays; a new one waits when it is only a
    /// subset that is missing.
    private static func hold(
        _ services: [ResolvedVirtualService],
        previous: MeshSnapshot?,
        _ check: ReferenceCheck
    ) -> (services: [ResolvedVirtualService], diagnostics: [Diagnostic]) {
        guard let previous else { return (services, []) }
        let before = Dictionary(previous.virtualServices.map { ($0.key, $0) }) { first, _ in first }
        var diagnostics: [Diagnostic] = []
        let kept = services.compactMap { service -> ResolvedVirtualService? in
            let last = before[service.key]
            guard last != service, let fault = check.faults(of: service).first else { return service }
            let text: String
            if let last {
                guard check.faults(of: last).isEmpty else { return service }
                text = "the last working version stays in force until this exists"
            } else {
                guard fault.path == "destination.subset" else { return service }
                text = "the routes before it stay in force until this exists"
            }
            diagnostics.append(
                Diagnostic(.warning, at: fault.location, resource: service.key.description, path: fault.path, text)
            )
            return last
        }
        return (kept, diagnostics)
    }

    /// The other half of the same window: a DestinationRule that goes, or loses a subset, while VirtualServices that did not
    /// change still send traffic there. Its last version stays until nobody names the subset.
    private static func keepRules(
        _ rules: [ResolvedDestinationRule], _ services: [ResolvedVirtualService], previous: MeshSnapshot?,
        _ check: ReferenceCheck
    ) -> (rules: [ResolvedDestinationRule], diagnostics: [Diagnostic]) {
        guard let previous, previous.destinationRules != rules else { return (rules, []) }
        let before = Dictionary(previous.virtualServices.map { ($0.key, $0) }) { first, _ in first }
        let old = ReferenceCheck(previous)
        var kept = rules
        var diagnostics: [Diagnostic] = []
        for service in services where before[service.key] == service {
            guard let fault = check.faults(of: service).first(where: { $0.path == "destination.subset" }),
                old.faults(of: service).isEmpty
            else { continue }
            let hosts = Set(service.destinations.filter { $0.subset != nil }.map(\.host.value))
            for rule in previous.destinationRules where hosts.contains(rule.host) {
                let place = kept.firstIndex { $0.origin.resource == rule.origin.resource }
                if let place, kept[place] == rule { continue }
                if let place { kept[place] = rule } else { kept.append(rule) }
                diagnostics.append(
                    Diagnostic(
                        .warning, at: rule.origin.location, resource: rule.origin.resource.description,
                        "its last version stays in force: \(service.key) still names a subset of it (\(fault.location))"
                    )
                )
            }
        }
        return (kept, diagnostics)
    }
}
