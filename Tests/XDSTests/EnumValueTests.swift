import SwiftProtobuf
import Testing
import XDS

/// A number that an enum gives no meaning to would be taken for its default.
@Suite("Values of enums")
struct EnumValueTests {
    private static func findings(_ message: some Message) throws -> [String] {
        var audit = WireAudit()
        let bytes: [UInt8] = try message.serializedBytes()
        return audit.findings(in: bytes, message: type(of: message).protoMessageName)
    }

    @Test func `an unknown number is found by its path, wherever it stands`() throws {
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.lbPolicy = .UNRECOGNIZED(77)
        cluster.circuitBreakers.thresholds = [.init(), .init()]
        cluster.circuitBreakers.thresholds[1].priority = .UNRECOGNIZED(-3)
        #expect(
            try Self.findings(cluster) == [
                "lb_policy: 77 is not a value of this enum",
                "circuit_breakers.thresholds[1].priority: -3 is not a value of this enum",
            ])
    }

    @Test func `numbers of a packed list are looked at one by one`() throws {
        var filter = Envoy_Config_Accesslog_V3_GrpcStatusFilter()
        filter.statuses = [.ok, .UNRECOGNIZED(99)]
        #expect(try Self.findings(filter) == ["statuses: 99 is not a value of this enum"])
        filter.statuses = [.ok, .unavailable]
        #expect(try Self.findings(filter) == [])
    }

    @Test(arguments: [(#""MAGLEV""#, true), ("5", true), ("77", false)])
    func `a bootstrap may write numbers that have a meaning`(value: String, isGood: Bool) {
        let text = #"{"static_resources":{"clusters":[{"name":"c","lb_policy":\#(value)}]}}"#
        do throws(BootstrapError) {
            _ = try Bootstrap.parse(text, file: "b.json")
            #expect(isGood)
        } catch {
            guard case .field(_, _, _, let path, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(!isGood && path == "static_resources.clusters[0].lb_policy")
        }
    }
}
