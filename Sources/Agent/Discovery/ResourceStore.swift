package import SwiftProtobuf
package import XDS

/// The configuration a proxy has accepted, by type and name: the last good version of everything.
package struct ResourceStore: Sendable {
    /// A resource as it was accepted.
    package struct Entry<Message: Sendable>: Sendable {
        package var version: String
        package var message: Message
        package var references = ResourceReferences()
        /// Seconds since 1970.
        package var updated: Int64
    }

    package typealias Listener = Envoy_Config_Listener_V3_Listener
    package typealias Cluster = Envoy_Config_Cluster_V3_Cluster
    package typealias Route = Envoy_Config_Route_V3_RouteConfiguration
    package typealias Endpoints = Envoy_Config_Endpoint_V3_ClusterLoadAssignment
    package typealias Secret = Envoy_Extensions_TransportSockets_Tls_V3_Secret
    package typealias NameTable = Istio_Networking_Nds_V1_NameTable

    package var listeners: [String: Entry<Listener>] = [:]
    package var clusters: [String: Entry<Cluster>] = [:]
    package var routes: [String: Entry<Route>] = [:]
    package var endpoints: [String: Entry<Endpoints>] = [:]
    package var secrets: [String: Entry<Secret>] = [:]
    package var nameTable: Entry<NameTable>?

    package init() {}

    /// What is held of a type, by name.
    package func versions(of type: String) -> [String: String] {
        switch type {
        case TypeURL.listener: listeners.mapValues(\.version)
        case TypeURL.cluster: clusters.mapValues(\.version)
        case TypeURL.route: routes.mapValues(\.version)
        case TypeURL.endpoint: endpoints.mapValues(\.version)
        case TypeURL.secret: secrets.mapValues(\.version)
        case TypeURL.nameTable: nameTable.map { ["NameTable": $0.version] } ?? [:]
        default: [:]
        }
    }

    /// Names of a type that the listeners and clusters refer to.
    package func referenced(_ type: String) -> Set<String> {
        let all = listeners.values.map(\.references) + clusters.values.map(\.references)
        var names: Set<String> = []
        for references in all {
            switch type {
            case TypeURL.route: names.formUnion(references.routes)
            case TypeURL.endpoint: names.formUnion(references.endpoints)
            case TypeURL.secret: names.formUnion(references.secrets)
            default: break
            }
        }
        return names
    }

    package mutating func remove(_ name: String, type: String) {
        switch type {
        case TypeURL.listener: listeners[name] = nil
        case TypeURL.cluster: clusters[name] = nil
        case TypeURL.route: routes[name] = nil
        case TypeURL.endpoint: endpoints[name] = nil
        case TypeURL.secret: secrets[name] = nil
        case TypeURL.nameTable: nameTable = nil
        default: break
        }
    }

    /// Forgets what nothing refers to any more.
    package mutating func sweep() {
        let routes = referenced(TypeURL.route)
        let endpoints = referenced(TypeURL.endpoint)
        let secrets = referenced(TypeURL.secret)
        self.routes = self.routes.filter { routes.contains($0.key) }
        self.endpoints = self.endpoints.filter { endpoints.contains($0.key) }
        self.secrets = self.secrets.filter { secrets.contains($0.key) }
    }

    /// Decodes a received resource and puts it in place of the version before.
    /// - Parameter check: what the data plane cannot honour in it, as texts that begin with the field's path.
    /// - Returns: the resource's own name.
    /// - Throws: what is wrong with it; the store is unchanged then.
    @discardableResult
    package mutating func insert(
        _ packed: Google_Protobuf_Any,
        version: String,
        now: Int64,
        audit: inout WireAudit,
        check: (Resource) -> [String]
    ) throws(ResourceProblem) -> String {
        let resource = try Self.decode(packed)
        let findings = audit.findings(in: packed) + check(resource)
        guard findings.isEmpty else {
            throw ResourceProblem(type: packed.typeURL, name: resource.name, reason: findings.joined(separator: "; "))
        }
        switch resource {
        case .listener(let message):
            listeners[message.name] = Entry(
                version: version, message: message, references: ResourceReferences(message), updated: now)
        case .cluster(let message):
            clusters[message.name] = Entry(
                version: version, message: message, references: ResourceReferences(message), updated: now)
        case .route(let message): routes[message.name] = Entry(version: version, message: message, updated: now)
        case .endpoints(let message):
            endpoints[message.clusterName] = Entry(version: version, message: message, updated: now)
        case .secret(let message): secrets[message.name] = Entry(version: version, message: message, updated: now)
        case .nameTable(let message): nameTable = Entry(version: version, message: message, updated: now)
        }
        return resource.name
    }

    private static func decode(_ packed: Google_Protobuf_Any) throws(ResourceProblem) -> Resource {
        switch packed.typeURL {
        case TypeURL.listener: .listener(try decode(packed, as: Listener.self))
        case TypeURL.cluster: .cluster(try decode(packed, as: Cluster.self))
        case TypeURL.route: .route(try decode(packed, as: Route.self))
        case TypeURL.endpoint: .endpoints(try decode(packed, as: Endpoints.self))
        case TypeURL.secret: .secret(try decode(packed, as: Secret.self))
        case TypeURL.nameTable: .nameTable(try decode(packed, as: NameTable.self))
        default: throw ResourceProblem(type: packed.typeURL, name: "", reason: "this type was not subscribed to")
        }
    }

    private static func decode<M: Message>(_ resource: Google_Protobuf_Any, as type: M.Type) throws(ResourceProblem)
        -> M
    {
        do {
            return try M(unpackingAny: resource)
        } catch {
            throw ResourceProblem(type: resource.typeURL, name: "", reason: "does not parse: \(error)")
        }
    }
}

/// A received resource, decoded.
package enum Resource: Sendable {
    case listener(ResourceStore.Listener)
    case cluster(ResourceStore.Cluster)
    case route(ResourceStore.Route)
    case endpoints(ResourceStore.Endpoints)
    case secret(ResourceStore.Secret)
    case nameTable(ResourceStore.NameTable)

    package var name: String {
        switch self {
        case .listener(let message): message.name
        case .cluster(let message): message.name
        case .route(let message): message.name
        case .endpoints(let message): message.clusterName
        case .secret(let message): message.name
        case .nameTable: "NameTable"
        }
    }
}

/// Why one resource is refused; its text is what the control plane reads in the NACK.
package struct ResourceProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package var type: String
    package var name: String
    /// Begins with the field's path where there is one.
    package var reason: String

    package init(type: String, name: String, reason: String) {
        self.type = type
        self.name = name
        self.reason = reason
    }

    package var description: String {
        if type.isEmpty { return reason }
        let kind = type.split(separator: ".").last.map(String.init) ?? type
        return name.isEmpty ? "\(kind): \(reason)" : "\(kind) \(name): \(reason)"
    }
}
