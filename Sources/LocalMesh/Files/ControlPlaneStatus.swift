/// status.json: what the control plane says after each load of the configuration. What it does not say is empty.
package struct ControlPlaneStatus: Codable, Equatable, Sendable {
    package struct Problem: Codable, Equatable, Sendable {
        package var file: String?
        package var line: Int?
        package var column: Int?
        package var resource: String?
        package var message: String
        package var severity: String?

        package init(file: String?, line: Int?, column: Int?, resource: String?, message: String, severity: String?) {
            self.file = file
            self.line = line
            self.column = column
            self.resource = resource
            self.message = message
            self.severity = severity
        }

        /// `file:line:column: severity: resource: message`
        package var text: String {
            var parts: [String] = []
            if let file {
                parts.append(([file] + [line, column].compactMap { $0 }.map(String.init)).joined(separator: ":"))
            }
            parts.append(severity ?? "error")
            if let resource, !resource.isEmpty { parts.append(resource) }
            return (parts + [message]).joined(separator: ": ")
        }

        /// Whether both are about the same spot.
        package func hasPlace(_ other: Problem) -> Bool {
            file == other.file && line == other.line && column == other.column && resource == other.resource
        }
    }

    package struct Proxy: Codable, Equatable, Sendable {
        package var id: String
        package var ackedGeneration: Int?
        package var nacks: [String]?
    }

    package struct Service: Codable, Equatable, Sendable {
        package var host: String
        package var mtls: String?
    }

    package var generation: Int
    package var errors: [Problem]?
    package var proxies: [Proxy]?
    package var services: [Service]?
}
