import Glibc

/// The lines of a file of any size and content, one after the other: memory is bounded by the longest line that is taken.
struct FileLines: ~Copyable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    enum Line {
        /// Without its end; bytes that are no UTF-8 are replaced.
        case text(String)
        case tooLong
    }

    private let path: String
    private let descriptor: Int32
    private let limit: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private var isSkipping = false

    /// - Parameter limit: bytes of a line; what is left of a longer one is passed over.
    /// - Throws: `Failure` when the file cannot be opened, as `next` does when it cannot be read.
    init(path: String, limit: Int = 64 << 10) throws(Failure) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(description: "\(path): \(String(cString: strerror(errno)))") }
        self.path = path
        self.limit = limit
    }

    deinit { close(descriptor) }

    /// nil at the end of the file.
    mutating func next() throws(Failure) -> Line? {
        while true {
            if let end = buffer[start...].firstIndex(of: 0x0a) {
                let line = buffer[start..<end]
                start = end + 1
                if isSkipping {
                    isSkipping = false
                    continue
                }
                return line.count > limit ? .tooLong : .text(String(decoding: line, as: UTF8.self))
            }
            if buffer.count - start > limit {
                buffer.removeAll(keepingCapacity: true)
                start = 0
                if !isSkipping {
                    isSkipping = true
                    return .tooLong
                }
            }
            guard !isAtEnd else {
                let rest = buffer[start...]
                defer { start = buffer.count }
                return rest.isEmpty || isSkipping ? nil : .text(String(decoding: rest, as: UTF8.self))
            }
            try fill()
        }
    }

    private mutating func fill() throws(Failure) {
        buffer.removeFirst(start)
        start = 0
        let kept = buffer.count
        let chunk = 64 << 10
        buffer.append(contentsOf: repeatElement(0, count: chunk))
        var count = 0
        repeat {
            count = buffer.withUnsafeMutableBytes { bytes in
                // SAFETY: `chunk` bytes follow the kept ones.
                Glibc.read(descriptor, bytes.baseAddress?.advanced(by: kept), chunk)
            }
        } while count < 0 && errno == EINTR
        let fault = errno
        buffer.removeLast(chunk - max(0, count))
        guard count >= 0 else { throw Failure(description: "\(path): \(String(cString: strerror(fault)))") }
        if count == 0 { isAtEnd = true }
    }
}
