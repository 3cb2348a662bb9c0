package import SwiftProtobuf

/// Finds what a received message says and Martlet would not hear: fields that are not part of our subset, values of enums
/// that mean nothing to it, and `Any` payloads of types it does not know. Each finding is a path fit for a NACK
/// (`filter_chains[0].filters[1].typed_config.tracing`).
package struct WireAudit {
    private let schema = Schema.shared
    private let known: Set<String>
    private var findings: [String] = []
    private let limit: Int

    /// - Parameter limit: how many findings to collect before giving up.
    package init(limit: Int = 8) {
        known = Set(MessageTypes.all.map { $0.protoMessageName })
        self.limit = limit
    }

    /// The findings in `bytes`, a serialized message of the type named `message`.
    package mutating func findings(in bytes: [UInt8], message: String) -> [String] {
        findings = []
        walk(bytes[...], message: message, path: "")
        return findings
    }

    /// The findings in a packed resource.
    package mutating func findings(in resource: Google_Protobuf_Any) -> [String] {
        findings(in: [UInt8](resource.value), message: Self.messageName(resource.typeURL))
    }

    private static func messageName(_ typeURL: String) -> String {
        String(typeURL.split(separator: "/").last ?? "")
    }

    private mutating func walk(_ bytes: ArraySlice<UInt8>, message name: String, path: String) {
        guard let message = schema.message(name) else { return }
        var reader = WireReader(bytes)
        var counts: [Int: Int] = [:]
        while let (number, payload, value) = reader.next(), findings.count < limit {
            guard let field = message.byNumber[number], field.kind != .notHonoured else {
                let called = message.byNumber[number]?.name ?? "field \(number)"
                findings.append(join(path, called) + " (\(name)) is not supported")
                continue
            }
            if case .enumeration(let known) = field.kind {
                check(value.map { [$0] } ?? WireReader.packed(payload ?? []), among: known, join(path, field.name))
                continue
            }
            guard case .message(let inner) = field.kind, let payload else { continue }
            var place = join(path, field.name)
            if field.isRepeated {
                place += "[\(counts[number, default: 0])]"
                counts[number, default: 0] += 1
            }
            if field.isMap {
                let (key, value) = mapEntry(payload)
                descend(value, message: inner, path: "\(place)[\"\(key)\"]")
            } else {
                descend(payload, message: inner, path: place)
            }
        }
        if reader.isMalformed {
            findings.append((path.isEmpty ? name : path) + " is not well-formed protobuf")
        }
    }

    private mutating func check(_ values: [UInt64], among known: Set<Int32>, _ place: String) {
        for value in values {
            let number = Int32(truncatingIfNeeded: value)
            if !known.contains(number) { findings.append("\(place): \(number) is not a value of this enum") }
        }
    }

    private mutating func descend(_ bytes: ArraySlice<UInt8>, message: String, path: String) {
        guard message == "google.protobuf.Any" else { return walk(bytes, message: message, path: path) }
        var reader = WireReader(bytes)
        var typeURL = ""
        var value: ArraySlice<UInt8> = []
        while let (number, payload, _) = reader.next() {
            if number == 1, let payload { typeURL = String(decoding: payload, as: UTF8.self) }
            if number == 2, let payload { value = payload }
        }
        let name = Self.messageName(typeURL)
        if known.contains(name) {
            walk(value, message: name, path: path)
        } else if !typeURL.isEmpty {
            findings.append("\(path): \(typeURL) is not supported")
        }
    }

    private func mapEntry(_ bytes: ArraySlice<UInt8>) -> (key: String, value: ArraySlice<UInt8>) {
        var reader = WireReader(bytes)
        var entry: (key: String, value: ArraySlice<UInt8>) = ("", [])
        while let (number, payload, _) = reader.next() {
            guard let payload else { continue }
            if number == 1 { entry.key = String(decoding: payload, as: UTF8.self) }
            if number == 2 { entry.value = payload }
        }
        return entry
    }

    private func join(_ path: String, _ name: String) -> String {
        path.isEmpty ? name : path + "." + name
    }
}

/// Steps over the fields of one serialized message (protobuf encoding: tag, then a value by wire type).
struct WireReader {
    private var bytes: ArraySlice<UInt8>
    private(set) var isMalformed = false

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
    }

    /// Varints one after the other, as a packed repeated field has them.
    static func packed(_ bytes: ArraySlice<UInt8>) -> [UInt64] {
        var reader = WireReader(bytes)
        var values: [UInt64] = []
        while !reader.bytes.isEmpty, let value = reader.varint() { values.append(value) }
        return values
    }

    /// The next field's number, its payload when it is length-delimited and its value when it is a varint; nil at the
    /// end or when malformed.
    mutating func next() -> (number: Int, payload: ArraySlice<UInt8>?, value: UInt64?)? {
        guard !bytes.isEmpty, !isMalformed else { return nil }
        guard let tag = varint() else { return fail() }
        let number = Int(truncatingIfNeeded: tag >> 3)
        switch tag & 7 {
        case 0:
            guard let value = varint() else { return fail() }
            return (number, nil, value)
        case 1:
            return skip(8) ? (number, nil, nil) : fail()
        case 2:
            guard let length = varint(), length <= UInt64(bytes.count) else { return fail() }
            let payload = bytes.prefix(Int(length))
            bytes = bytes.dropFirst(Int(length))
            return (number, payload, nil)
        case 5:
            return skip(4) ? (number, nil, nil) : fail()
        default:
            return fail()
        }
    }

    private mutating func fail() -> (number: Int, payload: ArraySlice<UInt8>?, value: UInt64?)? {
        isMalformed = true
        return nil
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard bytes.count >= count else { return false }
        bytes = bytes.dropFirst(count)
        return true
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = bytes.popFirst() {
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
            if shift > 63 { return nil }
        }
        return nil
    }
}
