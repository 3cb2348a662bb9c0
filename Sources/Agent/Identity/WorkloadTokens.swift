import FoundationEssentials
import Glibc

/// What proves to the control plane who this workload is: `tokens.json`, `{"ca": "…", "xds": "…"}`.
package struct WorkloadTokens: Sendable, Codable, Equatable {
    /// For one certificate request; each response brings the next.
    package var ca: String
    /// For discovery streams, until it expires.
    package var xds: String

    package init(ca: String, xds: String) {
        self.ca = ca
        self.xds = xds
    }

    package static func load(path: String) throws -> WorkloadTokens {
        try JSONDecoder().decode(WorkloadTokens.self, from: Data(contentsOf: URL(filePath: path)))
    }

    /// Replaces the file in one step, readable by its owner only: a proxy that is restarted goes on from here.
    package func save(path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let data = try encoder.encode(self)
        let temporary = path + ".new"
        guard FileManager.default.createFile(atPath: temporary, contents: data, attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown) }
        guard rename(temporary, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }
}
