import Foundation
import Testing

extension WholeMesh {
    /// `martlet run`: a process that no manifest names.
    @Suite(.mesh { try Mesh(copying: ["shop": "\(Mesh.examples)/shop"]) })
    struct GuestTests {
        @Test func aProcessJoinsTheMeshAndLeavesIt() async throws {
            let mesh = try currentMesh()
            let guest = Process()
            guest.executableURL = URL(fileURLWithPath: Mesh.program)
            guest.arguments =
                ["run", "--state-dir", mesh.stateFolder.path, "--namespace", "shop", "--service", "wishes"]
                + ["--service-account", "wishes", "--labels", "version=v7", "--port", "9000", "--"]
                + [Mesh.program, "example-service", "--name=wishes", "--port=9000", "--upstream=http://catalog:8080/"]
            guest.standardInput = FileHandle.nullDevice
            try guest.run()
            defer { if guest.isRunning { guest.terminate() } }

            func ask() throws -> String {
                try mesh.exec("cart-v1", ["curl", "-s", "--max-time", "5", "http://wishes:9000/"]).output
            }
            let answer = try await eventually("an answer of the guest") {
                let text = try ask()
                return text.contains("\"service\":\"wishes\"") && text.contains("\"service\":\"catalog\"") ? text : nil
            }
            #expect(
                answer.contains("URI=spiffe://cluster.local/ns/shop/sa/cart"), "it is called with identity: \(answer)")
            #expect(
                answer.contains("URI=spiffe://cluster.local/ns/shop/sa/wishes"), "it calls with identity: \(answer)")

            guest.terminate()
            guest.waitUntilExit()
            try await eventually("the guest's leaving") {
                try ask().contains("\"service\":\"wishes\"") ? nil : true
            }
            try await eventually("the guest's absence from the table") {
                try mesh.martlet("status").output.contains("shop/wishes") ? nil : true
            }
        }
    }
}
