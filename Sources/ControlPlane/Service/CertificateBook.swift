import FoundationEssentials
import MeshAPI
import MeshState

/// The last certificate of each pod, as `martlet identity` shows them.
struct CertificateBook {
    private var byPod: [String: ControlPlaneStatus.Identity] = [:]

    var identities: [ControlPlaneStatus.Identity] { byPod.values.sorted { $0.pod < $1.pod } }

    mutating func note(_ identity: ControlPlaneStatus.Identity) { byPod[identity.pod] = identity }

    mutating func forget(pod: String) { byPod[pod] = nil }

    /// Forgets those of pods that are in a snapshot no more, and those that were in neither and have ended: a proxy may be
    /// faster than the list of pods. Who is connected is kept.
    mutating func forget(
        between before: MeshSnapshot?, and after: MeshSnapshot, now: Date, keeping connected: Set<String>
    ) {
        let old = Self.pods(before)
        let new = Self.pods(after)
        byPod = byPod.filter { pod, identity in
            if new.contains(pod) || connected.contains(pod) { return true }
            return !old.contains(pod) && identity.notAfter > now.timeIntervalSince1970
        }
    }

    /// Certificates of running pods that should have been renewed.
    func warnings(of snapshot: MeshSnapshot?, now: Date, at place: SourceLocation) -> [Diagnostic] {
        let running = Self.pods(snapshot)
        return byPod.values.filter { running.contains($0.pod) }.compactMap { identity in
            let left = identity.notAfter - now.timeIntervalSince1970
            guard left < (identity.notAfter - identity.issuedAt) / 5 else { return nil }
            return Diagnostic(
                .warning, at: place, resource: "Pod \(identity.pod)",
                left > 0
                    ? "its certificate ends in \(Int(left)) s and was not renewed: look at its proxy's log"
                    : "its certificate has ended: nobody accepts its calls")
        }
    }

    private static func pods(_ snapshot: MeshSnapshot?) -> Set<String> {
        Set((snapshot?.workloads ?? []).map { "\($0.namespace)/\($0.name)" })
    }
}
