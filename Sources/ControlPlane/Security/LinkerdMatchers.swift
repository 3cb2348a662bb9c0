import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

extension LinkerdServer {
    /// The port of a pod that the Server is about; nil when it does not select the pod, or the pod has no such port.
    func port(of workload: MeshWorkload) -> Int? {
        guard metadata.namespace == workload.namespace, podSelector.matches(workload.labels) else { return nil }
        return switch port {
        case .number(let number): number
        case .name(let name): workload.ports.first { $0.name == name }?.number
        }
    }
}

extension RBACPermission {
    static func port(_ number: Int) -> RBACPermission { .with { $0.destinationPort = UInt32(clamping: number) } }

    static func header(_ name: String, _ value: WireStringMatcher) -> RBACPermission {
        .with {
            $0.header.name = name
            $0.header.stringMatch = value
        }
    }
}

extension RBACPrincipal {
    init(_ identity: LinkerdIdentity) {
        self.init()
        switch identity {
        case .anyone: authenticated.principalName = PolicyMatchers.regex("spiffe://.+")
        case .id(let text): authenticated.principalName = PolicyMatchers.exact(text)
        case .pattern(let pattern): authenticated.principalName = PolicyMatchers.regex(pattern)
        case .nobody: notID.any = true
        }
    }

    /// Whoever has an identity of the mesh.
    static var anyone: RBACPrincipal { RBACPrincipal(LinkerdIdentity.anyone) }

    static func networks(_ blocks: [String]) -> RBACPrincipal {
        either(
            blocks.compactMap { Envoy_Config_Core_V3_CidrRange(policyValue: $0) }.map { range in
                .with { $0.directRemoteIp = range }
            })
    }

    static func network(_ network: LinkerdNetwork) -> RBACPrincipal {
        let inside = networks([network.cidr])
        guard !network.except.isEmpty else { return inside }
        let outside = RBACPrincipal.with { $0.notID = networks(network.except) }
        return .with { $0.andIds.ids = [inside, outside] }
    }

    /// Nobody when there is no alternative.
    static func either(_ principals: [RBACPrincipal]) -> RBACPrincipal {
        principals.isEmpty ? .with { $0.notID.any = true } : .with { $0.orIds.ids = principals }
    }
}
