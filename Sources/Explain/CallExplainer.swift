import ControlPlane
import MeshAPI
import MeshState
import Proxy

/// Answers questions about calls with the functions by which the mesh carries them: the caller's routes, mutual TLS of both
/// sides, the policies of each pod that may answer.
package struct CallExplainer: Sendable {
    package enum Failure: Error, CustomStringConvertible {
        case unknownCaller(String, known: [String])
        case unknownHost(String)

        package var description: String {
            switch self {
            case .unknownCaller(let name, let known):
                "no pod or workload \(name); there are: \(known.joined(separator: ", "))"
            case .unknownHost(let host): "\(host) is no service of the mesh"
            }
        }
    }

    private let mesh: ExplainedMesh

    package init(_ mesh: ExplainedMesh) { self.mesh = mesh }

    package func explain(_ question: CallQuestion) throws -> CallExplanation {
        var caller: MeshWorkload?
        if let name = question.caller {
            caller = mesh.pod(name)
            if caller == nil {
                let known = Set(mesh.snapshot.workloads.map { "\($0.namespace)/\($0.workload)" })
                throw Failure.unknownCaller(name, known: known.sorted())
            }
        }
        let service = mesh.service(question.host, from: caller?.namespace ?? "default")
        var explanation = CallExplanation()
        var destinations: [CallerRoutes.Destination] = []
        if let caller, caller.sidecar {
            let routed = CallerRoutes(mesh: mesh, caller: caller).route(question, service: service)
            explanation.steps.append(routed.step)
            destinations = routed.destinations
        } else if let service {
            let text = "to \(service.host):\(question.port): the caller has no proxy, nothing routes it elsewhere"
            explanation.steps.append(.init(subject: .route, pods: [], isAllowed: true, text: text))
            destinations = [.init(host: service.host, port: question.port, subset: "")]
        } else {
            throw Failure.unknownHost(question.host)
        }
        for destination in destinations {
            explanation.steps += try arrive(question, from: caller, at: destination)
        }
        return explanation
    }

    /// The request as the pod's policies see it: its caller's sidecar, where there is one, has normalised it, and so does its
    /// own. Returns what a proxy answers in the place of the application.
    private func receive(_ asked: inout PolicyQuestion, at pod: MeshWorkload, _ caller: MeshWorkload?) -> String? {
        let proxies = caller.map { $0.sidecar ? [$0, pod] : [pod] } ?? [pod]
        let given = asked.path
        for proxy in proxies {
            let plan = HeadPlan(WorkloadSecurity(snapshot: mesh.snapshot, workload: proxy).reception)
            if let status = plan.receive(&asked) {
                return "\(status): the path \(given) is refused before any policy is asked"
            }
        }
        return nil
    }

    /// What happens at the pods behind one destination; pods that answer alike share their steps.
    private func arrive(
        _ question: CallQuestion, from caller: MeshWorkload?, at destination: CallerRoutes.Destination
    ) throws -> [CallExplanation.Step] {
        let snapshot = mesh.snapshot
        guard let service = snapshot.service(host: destination.host) else { return [] }
        let rule = caller.flatMap { caller in
            snapshot.destinationRule(
                for: destination.host, clientNamespace: caller.namespace, clientLabels: caller.labels)
        }
        let subset = destination.subset.isEmpty ? nil : destination.subset
        let endpoints = snapshot.endpoints(
            of: service, port: destination.port, subset: subset.flatMap { rule?.subset($0) })
        guard !endpoints.isEmpty else {
            let text = "no pod of \(destination.host) is ready\(subset.map { " in subset \($0)" } ?? "")"
            return [.init(subject: .route, pods: [], isAllowed: false, text: text)]
        }
        let policy = rule?.policy(port: destination.port, subset: subset) ?? EffectivePolicy()
        var steps: [CallExplanation.Step] = []
        func add(_ step: CallExplanation.Step, pod: String) {
            if let index = steps.firstIndex(where: {
                $0.subject == step.subject && $0.text == step.text && $0.isAllowed == step.isAllowed
            }) {
                steps[index].pods.append(pod)
            } else {
                var step = step
                step.pods = [pod]
                steps.append(step)
            }
        }
        let kind = service.port(destination.port)?.applicationProtocol
        for endpoint in endpoints {
            let pod = endpoint.workload
            let name = "\(pod.namespace)/\(pod.name)"
            let transport = Meeting(
                snapshot, caller: caller, policy: policy, service: service, endpoint: endpoint, among: endpoints,
                kind: kind)
            add(transport.step, pod: name)
            guard transport.step.isAllowed else { continue }
            guard pod.sidecar else {
                let text = "nothing is enforced: the pod has no proxy"
                add(.init(subject: .authorization, pods: [], isAllowed: true, text: text), pod: name)
                continue
            }
            var asked = PolicyQuestion()
            // What no proxy takes for HTTP is a connection to policies.
            asked.isRequest = question.isRequest && (kind?.isHTTP ?? false || kind == .unknown)
            asked.method = question.method
            asked.path = question.path
            asked.host = question.host
            asked.headers = question.headers
            asked.claims = question.claims
            asked.time = question.time
            asked.principal = transport.principal
            asked.source = question.source ?? caller?.ip ?? "0.0.0.0"
            asked.remote = asked.source
            asked.destination = pod.ip
            asked.port = UInt16(clamping: endpoint.port)
            if asked.isRequest, let fault = receive(&asked, at: pod, caller) {
                add(.init(subject: .authorization, pods: [], isAllowed: false, text: fault), pod: name)
                continue
            }
            let policies = try AuthorizationExplanation(snapshot: snapshot, workload: pod, keySets: mesh.keySets)
            let answer = policies.ask(asked)
            for text in policies.providers(of: answer) + policies.dryRuns(of: answer) {
                add(.init(subject: .authorization, pods: [], isAllowed: true, text: text), pod: name)
            }
            add(
                .init(
                    subject: .authorization, pods: [], isAllowed: answer.verdict.isAllowed, text: answer.reason,
                    rule: answer.verdict.rule.isEmpty ? nil : answer.verdict.rule), pod: name)
        }
        return steps
    }
}
