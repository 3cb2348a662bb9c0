import FoundationEssentials
package import SwiftProtobuf
import XDS

/// One resource as it goes over the wire, with a version that is a digest of its content: the same content has the
/// same version, also after a restart of the control plane.
package struct VersionedResource: Sendable, Equatable {
    /// 128 bits: no defence against an adversary, who cannot write here anyway.
    package struct Digest: Sendable, Hashable {
        var first: UInt64
        var second: UInt64

        package static let absent = Digest(first: 0, second: 0)

        /// What a peer says that it holds; a text that is not one of ours is like nothing we have.
        init(text: String) {
            let digits = Array(text.utf8)
            guard digits.count == 32, let first = UInt64(text.prefix(16), radix: 16),
                let second = UInt64(text.suffix(16), radix: 16)
            else {
                self.init(first: .max, second: 0)
                return
            }
            self.init(first: first, second: second)
        }

        init(first: UInt64, second: UInt64) {
            self.first = first
            self.second = second
        }

        init(of data: Data) {
            var digest = Digest(first: 0xcbf2_9ce4_8422_2325, second: 0x9ae1_6a3b_2f90_404f)
            // SAFETY: reads stay below the count of the buffer that the closure is given.
            data.withUnsafeBytes { bytes in
                var place = 0
                while place + 8 <= bytes.count {
                    digest.add(bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                    place += 8
                }
                var rest: UInt64 = 0
                while place < bytes.count {
                    rest = rest << 8 | UInt64(bytes[place])
                    place += 1
                }
                digest.add(rest)
                digest.add(UInt64(bytes.count))
            }
            self = digest
        }

        mutating func add(_ word: UInt64) {
            first = (first ^ word) &* 0x9e37_79b9_7f4a_7c15
            first ^= first >> 32
            second = (second &+ word) &* 0xc2b2_ae3d_27d4_eb4f
            second = second << 29 | second >> 35
        }

        var text: String { Self.hexadecimal(first) + Self.hexadecimal(second) }

        private static func hexadecimal(_ value: UInt64) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
    }

    package let digest: Digest
    package let body: Google_Protobuf_Any

    package var version: String { digest.text }

    package init(_ message: some Message) {
        body = Google_Protobuf_Any(packing: message)
        digest = Digest(of: body.value)
    }

    /// - Parameter bytes: a message of this type, encoded deterministically.
    package init(type: String, bytes: [UInt8]) {
        var body = Google_Protobuf_Any()
        body.typeURL = type
        body.value = Data(bytes)
        self.body = body
        digest = Digest(of: body.value)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.digest == right.digest
    }
}
