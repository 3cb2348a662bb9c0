import Agent
import Proxy
import Synchronization
import Testing
import XDS

/// Takes its time for each snapshot, and remembers them.
private final class SlowDataPlane: DataPlane {
    private let state = Mutex<(running: Int, together: Int, generations: [UInt64])>((0, 0, []))

    func apply(_ snapshot: RuntimeSnapshot) async throws {
        state.withLock {
            $0.running += 1
            $0.together = max($0.together, $0.running)
        }
        // Older snapshots take longest: they would land last.
        for _ in 0..<(200 / Int(max(1, snapshot.generation))) { await Task.yield() }
        state.withLock {
            $0.running -= 1
            $0.generations.append(snapshot.generation)
        }
    }

    var together: Int { state.withLock { $0.together } }
    var generations: [UInt64] { state.withLock { $0.generations } }
}

@Suite struct ConfigurationAgentTests {
    @Test func snapshotsTakeEffectOneAfterTheOtherTheNewestLast() async throws {
        let plane = SlowDataPlane()
        let agent = ConfigurationAgent(
            fixed: XDSResources(), state: nil, localSecretNames: ["default"], compiler: RuntimeCompiler(),
            dataPlane: plane, onNameTable: { _ in })
        #expect(await agent.start().isEmpty)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask {
                    var secret = WorkloadIdentity.Secret()
                    secret.name = "default"
                    secret.tlsCertificate.certificateChain.inlineString = "\(number)"
                    await agent.update(secrets: [secret])
                    // Whoever changed something goes on when it, or something newer, is in force.
                    #expect(await agent.workloadSecrets == agent.serving.secrets.values.sorted { $0.name < $1.name })
                }
            }
        }
        #expect(plane.together == 1)
        #expect(plane.generations == plane.generations.sorted())
        #expect(plane.generations.count < 52)
    }
}
