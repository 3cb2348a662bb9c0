internal import Authentication
internal import Authorization
internal import EventLoop
internal import HeaderBlock
internal import Routing
internal import SwiftProtobuf
package import XDS

/// The security filters of one filter chain, compiled as the proxy compiles them and asked as its workers ask them, but
/// without traffic: for `martlet explain`, for policy tests, for anyone who wants to know beforehand.
package struct PolicyChain: Sendable {
    private enum Step: Sendable {
        case authorizer(Authorizer)
        /// Finds whom a service is asked about: by what a filter in front found out.
        case service(MetadataCondition?, isConnection: Bool)
        case tokens(JWTFilter)
    }

    /// Why filters cannot be asked: what a proxy would answer to the control plane.
    package struct Refused: Error, CustomStringConvertible {
        package let issues: [CompileIssue]

        package var description: String { issues.map(\.description).joined(separator: "; ") }
    }

    private var steps: [Step] = []

    /// HTTP filters in order; those that are not about security are passed over.
    package init(
        http filters: [Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter]
    ) throws(Refused) {
        var compiler = ListenerCompiler(parts: CompiledParts())
        for (index, filter) in filters.enumerated() {
            let path = "http_filters[\(index)].typed_config"
            if filter.typedConfig.isA(Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.self) {
                if case .rbac(let number)? = compiler.httpAuthorizer(filter.typedConfig, path: path) {
                    steps.append(.authorizer(compiler.parts.authorizers.authorizers[number]))
                }
            } else if filter.typedConfig.isA(Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication.self) {
                if case .jwt(let tokens)? = compiler.parts.jwtFilter(
                    filter.typedConfig, path: path, issues: &compiler.issues)
                {
                    steps.append(.tokens(tokens))
                }
            } else if filter.typedConfig.isA(Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz.self) {
                if case .externalAuthorization(let service)? = compiler.parts.externalAuthorization(
                    filter.typedConfig, path: path, issues: &compiler.issues)
                {
                    steps.append(.service(service.condition, isConnection: false))
                }
            }
        }
        guard compiler.issues.isEmpty else { throw Refused(issues: compiler.issues) }
    }

    /// Network filters in order.
    package init(network filters: [Envoy_Config_Listener_V3_Filter]) throws(Refused) {
        var compiler = ListenerCompiler(parts: CompiledParts())
        for (index, filter) in filters.enumerated() {
            let path = "filters[\(index)].typed_config"
            if filter.typedConfig.isA(Envoy_Extensions_Filters_Network_Rbac_V3_RBAC.self) {
                if case .rbac(let number)? = compiler.networkAuthorizer(filter.typedConfig, path: path) {
                    steps.append(.authorizer(compiler.parts.authorizers.authorizers[number]))
                }
            } else if filter.typedConfig.isA(Envoy_Extensions_Filters_Network_ExtAuthz_V3_ExtAuthz.self) {
                if case .externalAuthorization(let service)? = compiler.parts.connectionAuthorization(
                    filter.typedConfig, path: path, issues: &compiler.issues)
                {
                    steps.append(.service(service.condition, isConnection: true))
                }
            }
        }
        guard compiler.issues.isEmpty else { throw Refused(issues: compiler.issues) }
    }

    /// What the chain decides about a request or connection.
    package func decide(_ question: PolicyQuestion) -> PolicyVerdict {
        var verdict = PolicyVerdict(outcome: .allowed, rule: "", dryRuns: [], audited: [])
        var metadata = question.metadata
        var cache = TokenCache()
        let request = QuestionHead(question)
        let principals = question.principal.map { [Array($0.utf8)] } ?? []
        let serverName = Array(question.serverName.utf8)
        for (place, step) in steps.enumerated() {
            let head = HeadView(request.table, bytes: request.bytes.span)
            switch step {
            case .service: continue
            case .tokens(let filter):
                if question.claims != nil { continue }
                // As a worker does, but for routes, which this chain does not know.
                guard let rules = filter.rules else { continue }
                let rule = rules.decide(head, random: 0).route
                guard rule != .max, filter.ruleRequirements[Int(rule)] >= 0 else { continue }
                let result = filter.authenticator.decide(
                    head, requirement: filter.ruleRequirements[Int(rule)], now: question.time, cache: &cache)
                if let fault = result.fault {
                    verdict.outcome = .tokenRefused(status: fault.status, reason: fault.text)
                    return verdict
                }
                for accepted in [result.first].compactMap(\.self) + result.others {
                    guard let key = filter.payloadKeys[filter.authenticator.provider(accepted).name] else { continue }
                    metadata.set(
                        filter: Array("envoy.filters.http.jwt_authn".utf8), key: key, accepted.token.payload)
                }
            case .authorizer(let authorizer):
                let input = AuthorizationInput(
                    head: question.isRequest ? head : nil, uriNames: principals.span,
                    isAuthenticated: question.principal != nil, serverName: serverName.span,
                    source: Self.bits(question.source), remote: Self.bits(question.remote),
                    destination: Self.bits(question.destination), destinationPort: question.port, metadata: metadata)
                let answer = authorizer.decide(input)
                if place + 1 < steps.count, case .service(let condition, let isConnection) = steps[place + 1] {
                    // Its shadow rules are nobody's dry run: they find whom to ask about.
                    authorizer.record(answer, in: &metadata, ofConnection: isConnection)
                    if condition?.holds(metadata) ?? true { verdict.asked.append(authorizer.name(answer.shadowPolicy)) }
                } else if answer.shadow != .none {
                    verdict.dryRuns.append(
                        .init(rule: authorizer.name(answer.shadowPolicy), allows: answer.shadow == .allowed))
                }
                if answer.isLogged {
                    verdict.audited.append(authorizer.name(answer.policy))
                } else {
                    let name = authorizer.name(answer.policy)
                    if !name.isEmpty { verdict.rule = name }
                }
                guard answer.isAllowed else {
                    verdict.rule = authorizer.name(answer.policy)
                    verdict.outcome = .denied
                    return verdict
                }
            }
        }
        return verdict
    }

    private static func bits(_ text: String) -> AddressBits { IPAddress(text)?.bits ?? .none }
}
