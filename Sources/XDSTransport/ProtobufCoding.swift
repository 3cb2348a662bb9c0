package import GRPCCore
package import SwiftProtobuf

/// Protobuf messages as gRPC payloads.
package struct ProtobufSerializer<Message: SwiftProtobuf.Message>: MessageSerializer {
    package init() {}

    package func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        let bytes: [UInt8] = try message.serializedBytes()
        return Bytes(bytes)
    }
}

/// gRPC payloads as protobuf messages; a payload that does not parse is `invalidArgument`.
package struct ProtobufDeserializer<Message: SwiftProtobuf.Message>: MessageDeserializer {
    package init() {}

    package func deserialize<Bytes: GRPCContiguousBytes>(_ serialized: Bytes) throws -> Message {
        let bytes = serialized.withUnsafeBytes { [UInt8]($0) }
        do {
            return try Message(serializedBytes: bytes)
        } catch {
            throw RPCError(code: .invalidArgument, message: "\(Message.protoMessageName) does not parse: \(error)")
        }
    }
}

/// A protobuf message; named so that files which also speak of gRPC messages stay unambiguous.
package typealias WireMessage = SwiftProtobuf.Message
