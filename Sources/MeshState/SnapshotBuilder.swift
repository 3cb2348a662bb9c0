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
        let services = ServiceResolution.resolve(resources.services, settings: settings, previous: addresses)
        let rules = DestinationRuleResolution.resolve(resources.destinationRules, settings: settings)
        let routes = VirtualServiceResolution.resolve(resources.virtualServices, settings: settings)
        let snapshot = { (virtualServices: [ResolvedVirtualService]) in
            MeshSnapshot(
                generation: (previous?.generation ?? 0) + 1,
                settings: settings,
                resources: resources,
                services: services,
                workloads: workloads.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) },
                virtualServices: virtualServices,
                destinationRules: rules.rules
            )
        }
        let wanted = snapshot(routes.services)
        let check = ReferenceCheck(wanted)
        var diagnostics = resources.diagnostics + rules.diagnostics + routes.diagnostics + check.diagnostics()
        let held = Self.hold(routes.services, previous: previous, check)
        diagnostics += held.diagnostics
        return Result(
            snapshot: held.diagnostics.isEmpty ? wanted : snapshot(held.services),
            diagnostics: diagnostics
        )
    }

    /// A VirtualService that begins to name a host or subset that does not exist would turn good answers into 503s until the
    /// other half of the change arrives. While its last version still works, that one stays.
    private static func hold(
        _ services: [ResolvedVirtualService],
        previous: MeshSnapshot?,
        _ check: ReferenceCheck
    ) -> (services: [ResolvedVirtualService], diagnostics: [Diagnostic]) {
        guard let previous else { return (services, []) }
        let before = Dictionary(previous.virtualServices.map { ($0.key, $0) }) { first, _ in first }
        var diagnostics: [Diagnostic] = []
        let kept = services.map { service in
            guard let last = before[service.key], last != service, let fault = check.faults(of: service).first,
                check.faults(of: last).isEmpty
            else { return service }
            diagnostics.append(
                Diagnostic(
                    .warning,
                    at: fault.location,
                    resource: service.key.description,
                    path: fault.path,
                    "the last working version stays in force until this exists"
                )
            )
            return last
        }
        return (kept, diagnostics)
    }
}
