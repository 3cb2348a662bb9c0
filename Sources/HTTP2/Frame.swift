internal import Memory

/// Frame types (RFC 9113 section 6). Peers may send others.
enum FrameType {
    static var data: UInt8 { 0 }
    static var headers: UInt8 { 1 }
    static var priority: UInt8 { 2 }
    static var reset: UInt8 { 3 }
    static var settings: UInt8 { 4 }
    static var pushPromise: UInt8 { 5 }
    static var ping: UInt8 { 6 }
    static var goAway: UInt8 { 7 }
    static var windowUpdate: UInt8 { 8 }
    static var continuation: UInt8 { 9 }
}

enum FrameFlag {
    static var acknowledgement: UInt8 { 0x1 }
    static var endStream: UInt8 { 0x1 }
    static var endHeaders: UInt8 { 0x4 }
    static var padded: UInt8 { 0x8 }
    static var priority: UInt8 { 0x20 }
}

/// The nine bytes in front of each frame (section 4.1).
struct FrameHeader: Sendable {
    static var size: Int { 9 }

    var length = 0
    var type: UInt8 = 0
    var flags: UInt8 = 0
    var stream: UInt32 = 0

    init() {}

    /// Reads the first nine of `bytes`.
    @inline(__always)
    init(_ bytes: borrowing Span<UInt8>) {
        length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        type = bytes[3]
        flags = bytes[4]
        stream = bytes.bigEndian(5) & 0x7fff_ffff
    }

    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
}

extension Span where Element == UInt8 {
    /// The four bytes at `offset` as a number, the highest first.
    @inline(__always)
    func bigEndian(_ offset: Int) -> UInt32 {
        UInt32(self[offset]) << 24 | UInt32(self[offset &+ 1]) << 16 | UInt32(self[offset &+ 2]) << 8
            | UInt32(self[offset &+ 3])
    }
}

extension ByteBuffer {
    /// Appends a frame's header; the payload of `length` bytes is to follow.
    @inline(__always)
    mutating func appendFrame(_ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32) {
        append(bigEndian: UInt32(truncatingIfNeeded: length) << 8 | UInt32(type))
        append(flags)
        append(bigEndian: stream)
    }

    /// Writes a frame's header over nine bytes that are there already.
    mutating func setFrame(at offset: Int, _ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32) {
        set(UInt8(truncatingIfNeeded: length >> 16), at: offset)
        set(UInt8(truncatingIfNeeded: length >> 8), at: offset &+ 1)
        set(UInt8(truncatingIfNeeded: length), at: offset &+ 2)
        set(type, at: offset &+ 3)
        set(flags, at: offset &+ 4)
        var shift = UInt32(24)
        for position in 5..<9 {
            set(UInt8(truncatingIfNeeded: stream >> shift), at: offset &+ position)
            shift = shift &- 8
        }
    }
}
