import Testing

/// Starts one mesh for a whole suite and takes it down afterwards, also when a test fails.
struct MeshTrait: SuiteTrait, TestScoping {
    let make: @Sendable () throws -> Mesh

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        let mesh = try make()
        defer { mesh.remove() }
        do {
            try mesh.start()
            try await Mesh.$current.withValue(mesh) { try await function() }
        } catch {
            _ = try? mesh.down()
            throw error
        }
        let result = try mesh.down()
        #expect(result.succeeded, "\(result)")
    }
}

extension Trait where Self == MeshTrait {
    /// One mesh for the suite.
    static func mesh(_ make: @escaping @Sendable () throws -> Mesh) -> Self { MeshTrait(make: make) }
}

/// The mesh that the suite's trait started.
func currentMesh() throws -> Mesh { try #require(Mesh.current, "the suite lacks the mesh trait") }

/// All tests with a whole mesh, one after the other: they share the machine.
@Suite(.serialized) struct WholeMesh {}
