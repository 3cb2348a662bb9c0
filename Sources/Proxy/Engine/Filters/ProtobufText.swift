/// The little of protobuf's wire format that a check request needs: written by hand, because nothing else on the data path
/// speaks it (https://protobuf.dev/programming-guides/encoding).
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func string(_ field: Int, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        varint(UInt64(field << 3 | 2))
        varint(UInt64(value.count))
        bytes += value
    }

    mutating func number(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        varint(UInt64(field << 3))
        varint(value)
    }

    mutating func message(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        varint(UInt64(field << 3 | 2))
        varint(UInt64(inner.bytes.count))
        bytes += inner.bytes
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// Reads one message's fields in order; total over any bytes.
struct ProtobufReader {
    enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
        /// Of a kind that is not looked at.
        case other
    }

    private var rest: ArraySlice<UInt8>
    private(set) var isMalformed = false

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> (field: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        guard let tag = varint() else { return fail() }
        let field = Int(truncatingIfNeeded: tag >> 3)
        switch tag & 7 {
        case 0: return varint().map { (field, .number($0)) } ?? fail()
        case 1: return skip(8) ? (field, .other) : fail()
        case 5: return skip(4) ? (field, .other) : fail()
        case 2:
            guard let count = varint(), count <= UInt64(rest.count) else { return fail() }
            let value = rest.prefix(Int(count))
            rest = rest.dropFirst(Int(count))
            return (field, .bytes(value))
        default: return fail()
        }
    }

    private mutating func fail() -> (field: Int, value: Value)? {
        isMalformed = true
        rest = []
        return nil
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard rest.count >= count else { return false }
        rest = rest.dropFirst(count)
        return true
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift > 63 { return nil }
        }
        return nil
    }
}

/// envoy.service.auth.v3.CheckResponse, the fields that are carried out.
struct CheckAnswer {
    struct Header {
        var name: [UInt8] = []
        var value: [UInt8] = []
        var appends = false
    }

    /// 0 is OK (google.rpc.Status).
    var code: UInt64 = 0
    var status: UInt16 = 403
    var body: [UInt8] = []
    var headers: [Header] = []
    var removals: [[UInt8]] = []
    var responseHeaders: [Header] = []

    /// nil for bytes that are no such message.
    init?(_ bytes: ArraySlice<UInt8>) {
        var reader = ProtobufReader(bytes)
        while let (field, value) = reader.next() {
            guard case .bytes(let inner) = value else { continue }
            switch field {
            case 1: code = Self.number(1, in: inner) ?? 0
            case 2: guard readDenial(inner) else { return nil }
            case 3: guard readApproval(inner) else { return nil }
            default: break
            }
        }
        if reader.isMalformed { return nil }
    }

    private mutating func readDenial(_ bytes: ArraySlice<UInt8>) -> Bool {
        var reader = ProtobufReader(bytes)
        while let (field, value) = reader.next() {
            guard case .bytes(let inner) = value else { continue }
            switch field {
            case 1: if let number = Self.number(1, in: inner), (200..<600).contains(number) { status = UInt16(number) }
            case 2: headers.append(Self.header(inner))
            case 3: body = Array(inner)
            default: break
            }
        }
        return !reader.isMalformed
    }

    private mutating func readApproval(_ bytes: ArraySlice<UInt8>) -> Bool {
        var reader = ProtobufReader(bytes)
        while let (field, value) = reader.next() {
            guard case .bytes(let inner) = value else { continue }
            switch field {
            case 2: headers.append(Self.header(inner))
            case 5: removals.append(Array(inner).map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 })
            case 6: responseHeaders.append(Self.header(inner))
            default: break
            }
        }
        return !reader.isMalformed
    }

    private static func number(_ wanted: Int, in bytes: ArraySlice<UInt8>) -> UInt64? {
        var reader = ProtobufReader(bytes)
        while let (field, value) = reader.next() {
            if field == wanted, case .number(let number) = value { return number }
        }
        return nil
    }

    /// envoy.config.core.v3.HeaderValueOption.
    private static func header(_ bytes: ArraySlice<UInt8>) -> Header {
        var header = Header()
        var reader = ProtobufReader(bytes)
        while let (field, value) = reader.next() {
            switch (field, value) {
            case (1, .bytes(let pair)):
                var fields = ProtobufReader(pair)
                while let (member, text) = fields.next() {
                    guard case .bytes(let text) = text else { continue }
                    if member == 1 { header.name = text.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 } }
                    if member == 2 || member == 3 { header.value = Array(text) }
                }
            // `append`, wrapped in a BoolValue.
            case (2, .bytes(let flag)): header.appends = number(1, in: flag) == 1
            default: break
            }
        }
        return header
    }
}
