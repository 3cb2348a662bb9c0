package import MeshAPI
package import MeshState

/// Says which fields of accepted resources Martlet's proxies do not carry out yet: they are left out of what proxies get,
/// and never silently; and which policies hold for none of the pods that run.
package enum CapabilityReport {
    package static func diagnostics(_ snapshot: MeshSnapshot) -> [Diagnostic] {
        let features = ProxyFeatures.martlet
        var found: [Diagnostic] = []
        for service in snapshot.virtualServices {
            for rule in service.http {
                let resource = service.origin(of: rule.location).resource.description
                if let fault = rule.fault, !features.contains(.faults) {
                    found.append(warning(fault.location, resource, "fault", "no fault is injected"))
                }
                if let policy = rule.corsPolicy, !features.contains(.cors) {
                    found.append(warning(policy.location, resource, "corsPolicy", "preflights go to the application"))
                }
                for match in rule.match {
                    if let problem = claims(match, of: service, resource, snapshot) { found.append(problem) }
                    if match.statPrefix != nil {
                        found.append(
                            warning(match.location, resource, "statPrefix", "its requests have no metrics of their own")
                        )
                    }
                }
                if let mirror = rule.mirrors.first, !features.contains(.mirrors) {
                    found.append(warning(mirror.location, resource, "mirror", "no request is copied"))
                }
                for headers in [rule.headers] + rule.route.map(\.headers) {
                    let operations = [headers?.request, headers?.response].compactMap(\.self)
                    let values = operations.flatMap { Array($0.set.values) + Array($0.add.values) }
                    guard let headers, !features.contains(.headerOperators),
                        let value = values.first(where: HeaderCompiler.usesOperators)
                    else { continue }
                    found.append(
                        warning(headers.location, resource, "the operator in \"\(value)\"", "the header is not set")
                    )
                }
            }
        }
        for rule in snapshot.destinationRules {
            let resource = rule.origin.resource.description
            for policy in [rule.trafficPolicy] + rule.subsets.map(\.trafficPolicy) {
                if let tunnel = policy?.tunnel, tunnel.httpMethod == "POST", !features.contains(.postTunneling) {
                    found.append(
                        warning(tunnel.location, resource, "tunnel inside of POST", "connections go without one"))
                }
                if let policy, policy.proxyProtocol != nil, !features.contains(.proxyProtocol) {
                    found.append(
                        warning(
                            policy.location, resource, "proxyProtocol", "endpoints do not learn the client's address")
                    )
                }
                if let policy, policy.retryBudget?.budgetInterval != nil {
                    found.append(
                        warning(
                            policy.location, resource, "retryBudget.budgetInterval", "the budget is of open requests")
                    )
                }
                let settings = [policy?.outlierDetection] + (policy?.portLevelSettings.map(\.outlierDetection) ?? [])
                for outlier in settings.compactMap(\.self) {
                    if !features.contains(.outlierDetection) {
                        found.append(
                            warning(outlier.location, resource, "outlierDetection", "failing endpoints are not ejected")
                        )
                    } else if !outlier.outlierDetectionHTTPErrorCodes.isEmpty {
                        found.append(
                            warning(
                                outlier.location, resource, "outlierDetectionHttpErrorCodes", "500 to 599 count as ever"
                            )
                        )
                    }
                }
            }
        }
        found += snapshot.policiesWithoutWorkloads()
        let trustDomains = [snapshot.settings.trustDomain] + MeshConfiguration(snapshot).trustDomainAliases
        found += LinkerdReport.diagnostics(snapshot, trustDomains: trustDomains)
        for service in snapshot.services where service.resolution == .entry(.dynamicDNS) {
            found.append(
                warning(
                    service.origin.location, service.origin.resource.description, "resolution DYNAMIC_DNS",
                    "connections go to the address that the client resolved"
                )
            )
        }
        return found
    }

    /// Claims that no request can have: sidecars route before anyone has verified a token, and so does a gateway without a
    /// RequestAuthentication.
    private static func claims(
        _ match: HTTPMatchRequest, of service: ResolvedVirtualService, _ resource: String, _ snapshot: MeshSnapshot
    ) -> Diagnostic? {
        let named = match.headers + match.withoutHeaders
        guard let claim = named.first(where: { RoutingClaim.path($0.name) != nil }) else { return nil }
        let gateways = match.gateways.isEmpty ? service.gateways : match.gateways.map(\.value)
        let unverified = gateways.first { name in
            let workloads = snapshot.workloads.filter { workload in
                snapshot.gateways(for: workload).contains { "\($0.metadata.namespace)/\($0.metadata.name)" == name }
            }
            return name == "mesh" || workloads.contains { snapshot.requestAuthentications(of: $0).isEmpty }
        }
        guard let unverified else { return nil }
        let reason =
            unverified == "mesh"
            ? "sidecars choose routes before tokens are verified: list gateways only"
            : "no RequestAuthentication holds for the gateway \(unverified)"
        return Diagnostic(
            .warning, at: match.location, resource: resource, "no request has the claim of \(claim.name): \(reason)")
    }

    private static func warning(
        _ location: SourceLocation, _ resource: String, _ field: String, _ consequence: String
    ) -> Diagnostic {
        Diagnostic(
            .warning, at: location, resource: resource,
            "\(field) is not carried out yet by Martlet's proxy: \(consequence)"
        )
    }
}
