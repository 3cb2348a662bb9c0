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
                + ["sh", "-c", "echo \"files: $(ls -A \"$0\" | wc -l)\"; grep CapBnd /proc/self/status; exec \"$@\""]
                + [mesh.stateFolder.path, Mesh.program, "example-service", "--name=wishes", "--port=9000"]
                + ["--upstream=http://catalog:8080/"]
            guest.standardInput = FileHandle.nullDevice
            let output = Pipe()
            guest.standardOutput = output
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
            // Like a container: keys and tokens of everybody are not there for it, nor what changes the pod's network.
            let said = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            #expect(said.contains("files: 0\n"), "what it sees of the mesh's state: \(said)")
            let capabilities = said.split(separator: "\n").first { $0.hasPrefix("CapBnd:") }?.suffix(16) ?? ""
            let adminBit = UInt64(1) << 12
            #expect((UInt64(capabilities, radix: 16) ?? .max) & adminBit == 0, "CAP_NET_ADMIN of \(capabilities)")
            try await eventually("the guest's leaving") {
                try ask().contains("\"service\":\"wishes\"") ? nil : true
            }
            try await eventually("the guest's absence from the table") {
                try mesh.martlet("status").output.contains("shop/wishes") ? nil : true
            }
        }
    }
}
