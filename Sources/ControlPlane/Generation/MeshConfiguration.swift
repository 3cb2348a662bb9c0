package import MeshAPI
package import MeshState
import Yams

/// What is done to the paths of requests before anything looks at them (Istio's `pathNormalization`).
package enum PathNormalization: String, Sendable {
    case none = "NONE"
    /// Dot segments are resolved, backslashes are slashes (RFC 3986).
    case base = "BASE"
    case mergeSlashes = "MERGE_SLASHES"
    /// `%2F` and `%5C` are decoded first.
    case decodeAndMergeSlashes = "DECODE_AND_MERGE_SLASHES"

    package init?(rawValue: String) {
        switch rawValue {
        case "DEFAULT", "BASE": self = .base
        case "NONE": self = .none
        case "MERGE_SLASHES": self = .mergeSlashes
        case "DECODE_AND_MERGE_SLASHES": self = .decodeAndMergeSlashes
        default: return nil
        }
    }
}

/// Istio's mesh-wide settings, in ConfigMap `istio` of the root namespace under the key `mesh`.
package struct MeshConfiguration: Sendable, Equatable {
    package var accessLog = AccessLogSettings()
    /// What happens to connections to unknown places (`outboundTrafficPolicy.mode`).
    package var outboundMode = Sidecar.OutboundMode.allowAny
    /// Authorization services by the name that policies with action CUSTOM use.
    package var authorizers: [String: ExternalAuthorizer] = [:]
    package var trustDomainAliases: [String] = []
    package var pathNormalization = PathNormalization.base
    /// Settings that are given and not carried out.
    package var ignored: [String] = []
    /// Why the text was not read, when it was not.
    package var fault: String?

    package init() {}

    /// What the snapshot says; without a ConfigMap, the defaults.
    package init(_ snapshot: MeshSnapshot) { self.init(yaml: Self.text(of: snapshot)) }

    /// The settings as they were written; empty without a ConfigMap.
    package static func text(of snapshot: MeshSnapshot) -> String {
        snapshot.configMap(namespace: snapshot.settings.rootNamespace, name: "istio")?.data["mesh"] ?? ""
    }

    package init(yaml: String) {
        guard !yaml.isEmpty else { return }
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            fault = "\(error)"
            return
        }
        guard case .mapping(let mapping)? = root else {
            fault = "expected a mapping of settings"
            return
        }
        for (key, value) in mapping {
            switch key.string ?? "" {
            case "accessLogFile":
                accessLog.file = value.scalar?.string ?? ""
            case "accessLogEncoding":
                accessLog.encoding = AccessLogSettings.Encoding(rawValue: value.string ?? "") ?? .text
            case "accessLogFormat":
                accessLog.format = value.string ?? ""
            case "outboundTrafficPolicy":
                guard let name = value["mode"]?.string else { continue }
                if let mode = Sidecar.OutboundMode(rawValue: name) {
                    outboundMode = mode
                } else {
                    fault = "outboundTrafficPolicy.mode: \"\(name)\" is unknown"
                }
            case "extensionProviders":
                for provider in value.sequence ?? [] {
                    guard let name = provider["name"]?.string else { continue }
                    if let authorizer = ExternalAuthorizer(provider) {
                        authorizers[name] = authorizer
                        ignored += authorizer.ignored.map { "extensionProviders[\(name)].\($0)" }
                    } else {
                        ignored.append("extensionProviders[\(name)]")
                    }
                }
            case "trustDomainAliases":
                trustDomainAliases = value.sequence?.compactMap(\.string) ?? []
            case "pathNormalization":
                let name = value["normalization"]?.string ?? "DEFAULT"
                if let known = PathNormalization(rawValue: name) {
                    pathNormalization = known
                } else {
                    fault = "pathNormalization.normalization: \"\(name)\" is unknown"
                }
            case let name:
                ignored.append(name)
            }
        }
    }

    /// The findings, each at the ConfigMap.
    package func diagnostics(_ snapshot: MeshSnapshot) -> [Diagnostic] {
        let namespace = snapshot.settings.rootNamespace
        guard let map = snapshot.configMap(namespace: namespace, name: "istio") else { return [] }
        let resource = "ConfigMap \(namespace)/istio"
        let location = map.metadata.location
        var found = ignored.map {
            Diagnostic(.warning, at: location, resource: resource, path: "data.mesh.\($0)", "is not carried out yet")
        }
        if let fault {
            found.append(
                Diagnostic(
                    .error, at: location, resource: resource, path: "data.mesh", "\(fault); the last good settings hold"
                )
            )
        }
        return found
    }
}
