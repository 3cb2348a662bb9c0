/// `policy.linkerd.io` Server: a port of some pods whose callers are judged.
package struct LinkerdServer: Sendable, Equatable {
    package enum Port: Sendable, Equatable {
        case number(Int)
        case name(String)
    }

    package var metadata: ObjectMeta
    package var podSelector: KubernetesSelector
    package var port: Port
    /// What holds for callers that no policy authorizes; Linkerd's default is `deny`.
    package var accessPolicy: LinkerdDefaultPolicy

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        podSelector = spec.object("podSelector") ?? .everything
        if spec.has("externalWorkloadSelector") {
            spec.error("externalWorkloadSelector", "external workloads are not supported: select pods with podSelector")
        } else if !spec.has("podSelector") {
            spec.error(nil, "podSelector is required; {} selects every pod of the namespace")
        }
        switch spec.portTarget("port") {
        case .number(let number)?: port = .number(number)
        case .name(let name)?: port = .name(name)
        case nil:
            port = .number(0)
            if !spec.has("port") { spec.error(nil, "port is required: a number or the name of a container's port") }
        }
        if let known = spec.choice("proxyProtocol", ProxyProtocol.self), known != .unknown {
            spec.notSupported(
                "proxyProtocol", "the port is taken for what its Service says, else for what it looks like")
        }
        accessPolicy = spec.choice("accessPolicy") ?? .deny
    }

    private enum ProxyProtocol: String, CaseIterable {
        case unknown, opaque
        case http1 = "HTTP/1"
        case http2 = "HTTP/2"
        case grpc = "gRPC"
        case tls = "TLS"
    }
}

/// Who may call where no policy says (`config.linkerd.io/default-inbound-policy`, Server `accessPolicy`).
package enum LinkerdDefaultPolicy: String, Sendable, CaseIterable {
    case allUnauthenticated = "all-unauthenticated"
    case allAuthenticated = "all-authenticated"
    case clusterUnauthenticated = "cluster-unauthenticated"
    case clusterAuthenticated = "cluster-authenticated"
    case deny
    /// Lets through, and says so.
    case audit
}

/// A network without some parts of it.
package struct LinkerdNetwork: ObjectDecodable, Equatable {
    package var location: SourceLocation
    package var cidr: String
    package var except: [String]

    package init(_ reader: ObjectReader) {
        location = reader.location
        cidr = reader.requiredString("cidr")
        except = reader.strings("except")
        AddressRules.checkSubnets([cidr], key: "cidr", reader)
        AddressRules.checkSubnets(except, key: "except", reader)
    }
}

/// `policy.linkerd.io` NetworkAuthentication.
package struct LinkerdNetworkAuthentication: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var networks: [LinkerdNetwork]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        networks = spec.objects("networks")
        if networks.isEmpty { spec.error("networks", "at least one network is required") }
    }
}

/// `policy.linkerd.io` MeshTLSAuthentication.
package struct LinkerdMeshTLSAuthentication: Sendable, Equatable {
    package var metadata: ObjectMeta
    /// `*`, `*.suffix`, `ACCOUNT.NAMESPACE.serviceaccount.identity.…`, or a SPIFFE id.
    package var identities: [String]
    /// ServiceAccounts and Namespaces.
    package var references: [LinkerdReference]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        identities = spec.strings("identities")
        references = spec.references("identityRefs", among: [.serviceAccount, .namespace])
        if identities.isEmpty, references.isEmpty {
            spec.error(nil, "identities or identityRefs are required: without them it is nobody's")
        }
        for reference in references where reference.kind == .namespace && reference.namespace != nil {
            spec.error("identityRefs", "a Namespace is in no namespace: name it with name alone")
        }
    }
}

/// `policy.linkerd.io` AuthorizationPolicy: a target is open to those that prove all of these.
package struct LinkerdAuthorizationPolicy: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var target: LinkerdReference?
    package var required: [LinkerdReference]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        target = spec.reference("targetRef", among: [.server, .httpRoute, .grpcRoute, .namespace])
        required = spec.references(
            "requiredAuthenticationRefs", among: [.meshTLSAuthentication, .networkAuthentication, .serviceAccount])
        guard let target else {
            spec.error(nil, "targetRef is required")
            return
        }
        if let namespace = target.namespace, namespace != metadata.namespace {
            spec.error("targetRef", "a policy is about resources of its own namespace, not of \(namespace)")
        }
        if target.kind == .namespace, target.name != metadata.namespace {
            spec.error("targetRef", "a policy is about its own namespace, not about \(target.name)")
        }
    }
}

/// `policy.linkerd.io` ServerAuthorization, the older form.
package struct LinkerdServerAuthorization: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var serverName: String?
    package var serverSelector: KubernetesSelector?
    package var networks: [LinkerdNetwork]
    package var unauthenticated: Bool
    package var identities: [String]
    package var accounts: [LinkerdReference.Account]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        let server = spec.child("server", required: true)
        serverName = server.string("name")
        serverSelector = server.object("selector")
        server.exactlyOne(of: "name", "selector")
        let client = spec.child("client", required: true)
        networks = client.objects("networks")
        unauthenticated = client.bool("unauthenticated") ?? false
        let tls = client.child("meshTLS")
        identities = tls.strings("identities")
        accounts = tls.objects("serviceAccounts")
        if tls.bool("unauthenticatedTLS") == true {
            tls.error("unauthenticatedTLS", "not supported: mutual TLS in the mesh always proves an identity")
        }
    }
}

/// A resource of `policy.linkerd.io`.
package enum LinkerdPolicy: Sendable, Equatable {
    case server(LinkerdServer)
    case authorizationPolicy(LinkerdAuthorizationPolicy)
    case meshTLSAuthentication(LinkerdMeshTLSAuthentication)
    case networkAuthentication(LinkerdNetworkAuthentication)
    case serverAuthorization(LinkerdServerAuthorization)
    case httpRoute(LinkerdHTTPRoute)

    init?(_ kind: ResourceKind, _ metadata: ObjectMeta, _ document: ObjectReader) {
        switch kind.name {
        case "Server": self = .server(LinkerdServer(metadata, document))
        case "AuthorizationPolicy": self = .authorizationPolicy(LinkerdAuthorizationPolicy(metadata, document))
        case "MeshTLSAuthentication": self = .meshTLSAuthentication(LinkerdMeshTLSAuthentication(metadata, document))
        case "NetworkAuthentication": self = .networkAuthentication(LinkerdNetworkAuthentication(metadata, document))
        case "ServerAuthorization": self = .serverAuthorization(LinkerdServerAuthorization(metadata, document))
        case "HTTPRoute": self = .httpRoute(LinkerdHTTPRoute(metadata, document))
        default: return nil
        }
    }

    package var metadata: ObjectMeta {
        switch self {
        case .server(let value): value.metadata
        case .authorizationPolicy(let value): value.metadata
        case .meshTLSAuthentication(let value): value.metadata
        case .networkAuthentication(let value): value.metadata
        case .serverAuthorization(let value): value.metadata
        case .httpRoute(let value): value.metadata
        }
    }
}
