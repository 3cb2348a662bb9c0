import MeshAPI
import MeshState

/// How a caller and a pod meet: in plaintext or over TLS, and whether the pod takes that.
struct Meeting {
    var step: CallExplanation.Step
    /// The caller's identity, when it proves one.
    var principal: String?

    init(
        _ snapshot: MeshSnapshot, caller: MeshWorkload?, policy: EffectivePolicy, service: MeshService,
        endpoint: MeshEndpoint, among endpoints: [MeshEndpoint], kind: ApplicationProtocol?
    ) {
        let isHTTP = kind?.isHTTP ?? false
        // Clients of a headless TCP service mean one pod by its address.
        let alike = service.resolution == .headless && !isHTTP ? endpoints : [endpoint]
        let transport =
            caller?.sidecar ?? false
            ? ClientTransport(policy.tls, isOutside: snapshot.isOutside(service)).toward(each: alike) : .plaintext
        let by = policy.tls == nil ? "" : policy.origin.map { " by \($0)" } ?? ""
        let how: String
        switch transport {
        case .plaintext, .automatic: how = "in plaintext\(by)"
        case .originated: how = "over TLS of mode \(policy.tls?.mode.rawValue ?? "")\(by)"
        case .mesh:
            principal = caller.map {
                snapshot.settings.spiffeID(namespace: $0.namespace, serviceAccount: $0.serviceAccount)
            }
            how = "as \(principal ?? "")\(by)"
        }
        guard endpoint.workload.sidecar else {
            let text = "\(how): the pod has no proxy"
            step = .init(subject: .mutualTLS, pods: [], isAllowed: transport != .mesh, text: text)
            return
        }
        let server = snapshot.mutualTLS(of: endpoint.workload, port: endpoint.port)
        let isTaken = server.takes(transport, isHTTP: isHTTP)
        let mode = server.mode.rawValue + (server.origin.map { " by \($0)" } ?? ", the default")
        step = .init(
            subject: .mutualTLS, pods: [], isAllowed: isTaken,
            text: "\(how); the port \(isTaken ? "takes" : "does not take") it: \(mode)")
    }
}
