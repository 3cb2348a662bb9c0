import HPACK
import HeaderBlock
import Memory

/// A decoded field as a test writes it.
struct Pair: Equatable, CustomStringConvertible {
    var name: String
    var value: String
    var description: String { "\(name): \(value)" }

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

func bytes(hex: String) -> [UInt8] {
    let digits = hex.utf8.filter { $0 != 0x20 && $0 != 0x0a }.map { Int($0 < 0x3a ? $0 - 0x30 : ($0 | 0x20) - 0x57) }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Decodes a whole block; the names of pseudo fields, which are not in the arena, are put back.
func decode(_ block: [UInt8], _ decoder: inout HPACKDecoder) throws -> [Pair] {
    var arena = ByteBuffer()
    var index = 0
    var pairs: [Pair] = []
    while let field = try decoder.next(block.span, at: &index, into: &arena) {
        let name =
            switch field.kind {
            case .regular, .unknownPseudo: arena.storage.string(field.name)
            case .method: ":method"
            case .scheme: ":scheme"
            case .authority: ":authority"
            case .path: ":path"
            case .status: ":status"
            case .protocolName: ":protocol"
            }
        pairs.append(Pair(name, arena.storage.string(field.value)))
    }
    return pairs
}

extension HPACKEncoder {
    /// Encodes fields, pseudo ones by their own writers.
    mutating func block(_ pairs: [Pair]) -> [UInt8] {
        var output = ByteBuffer()
        beginBlock(&output)
        for pair in pairs {
            let value = Array(pair.value.utf8)
            let range = ByteRange(start: 0, length: value.count)
            switch pair.name {
            case ":method": encode(method: Method.classify(value.span, range), value.span, range, &output)
            case ":path": encode(path: range, value.span, &output)
            case ":scheme": encode(scheme: pair.value == "https" ? .https : .http, &output)
            case ":authority": encode(authority: range, value.span, &output)
            case ":protocol": encode(protocolName: range, value.span, &output)
            case ":status": encode(status: UInt16(pair.value) ?? 0, &output)
            default: encode(Array(pair.name.utf8).span, value.span, &output)
            }
        }
        return (0..<output.count).map { output.bytes[$0] }
    }
}

/// A small generator that a seed repeats.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
