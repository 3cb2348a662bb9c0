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
        spec.accept("proxyProtocol")
        accessPolicy =
            spec.string("accessPolicy").flatMap { name in
                let known = LinkerdDefaultPolicy(rawValue: name)
                if known == nil { spec.error("accessPolicy", "\"\(name)\" is not a policy") }
                return known
            } ?? .deny
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
        networks = document.child("spec", required: true).objects("networks")
    }
}

/// A resource that another one names.
package struct LinkerdReference: ObjectDecodable, Equatable {
    package var location: SourceLocation
    package var group: String
    package var kind: String
    package var name: String
    package var namespace: String?

    package init(_ reader: ObjectReader) {
        location = reader.location
        group = reader.string("group") ?? ""
        kind = reader.requiredString("kind")
        name = reader.requiredString("name")
        namespace = reader.string("namespace")
        for key in ["port", "sectionName"] { reader.notSupported(key, "a Server has one port") }
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
        references = spec.objects("identityRefs")
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
        target = spec.object("targetRef")
        required = spec.objects("requiredAuthenticationRefs")
        if target == nil { spec.error(nil, "targetRef is required") }
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

extension LinkerdReference {
    /// A service account; without a namespace, of the policy's own.
    package struct Account: ObjectDecodable, Equatable {
        package var name: String
        package var namespace: String?

        package init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            namespace = reader.string("namespace")
        }
    }
}

/// `policy.linkerd.io` HTTPRoute attached to a Server: which requests a policy is about.
package struct LinkerdHTTPRoute: Sendable, Equatable {
    package struct Match: ObjectDecodable, Equatable {
        package enum Path: Sendable, Equatable {
            case exact(String), prefix(String), regex(String)
        }

        package var location: SourceLocation
        package var path: Path?
        package var method: String?
        /// Name, value, whether it is a regular expression.
        package var headers: [Header]

        package struct Header: ObjectDecodable, Equatable {
            package var name: String
            package var value: String
            package var isRegex: Bool

            package init(_ reader: ObjectReader) {
                name = reader.requiredString("name")
                value = reader.requiredString("value")
                isRegex = reader.string("type") == "RegularExpression"
            }
        }

        package init(_ reader: ObjectReader) {
            location = reader.location
            method = reader.string("method")
            headers = reader.objects("headers")
            if reader.has("queryParams") {
                reader.error("queryParams", "cannot be judged by a policy: without it more requests would be let in")
            }
            let path = reader.child("path")
            if let value = path.string("value") {
                switch path.string("type") ?? "PathPrefix" {
                case "Exact": self.path = .exact(value)
                case "RegularExpression": self.path = .regex(value)
                default: self.path = .prefix(value)
                }
            }
        }
    }

    package struct Rule: ObjectDecodable, Equatable {
        package var matches: [Match]

        package init(_ reader: ObjectReader) {
            matches = reader.objects("matches")
            reader.accept("filters", "backendRefs", "timeouts")
        }
    }

    package var metadata: ObjectMeta
    package var parents: [LinkerdReference]
    /// Names that requests are addressed to, `*.example.com` for all below one; empty means any.
    package var hostnames: [String]
    package var rules: [Rule]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        parents = spec.objects("parentRefs")
        rules = spec.objects("rules")
        hostnames = spec.strings("hostnames")
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
