/// The mesh at one moment, for people: what `martlet status` prints and `martlet up` draws.
package struct MeshView: Codable, Equatable, Sendable {
    package struct Service: Codable, Equatable, Sendable {
        package var namespace: String
        package var name: String
        package var versions: [String]
        package var ready: Int
        package var total: Int
        package var mtls: String
        package var ports: [UInt16]
        /// Requests per second that its pods answered.
        package var rate: Double?
    }

    package struct Gateway: Codable, Equatable, Sendable {
        package var workload: String
        package var port: UInt16
        package var hostPort: UInt16
        package var url: String
    }

    package struct Proxy: Codable, Equatable, Sendable {
        package var pod: String
        /// `synced`, `stale`, `rejected` or `not connected`.
        package var state: String
        package var nacks: [String]
    }

    package struct Event: Codable, Equatable, Sendable {
        package var number: Int
        package var text: String
        package var isError: Bool
    }

    package var mesh: String
    package var process: Int32
    package var generation: Int
    package var controlPlane: String
    package var ready: Bool
    package var stopping: Bool
    package var pods: [PodStatus]
    package var services: [Service]
    package var gateways: [Gateway]
    package var problems: [ControlPlaneStatus.Problem]
    package var proxies: [Proxy]
    package var rates: [String: Double]
    package var events: [Event]
}
