internal import Glibc
internal import Memory

/// Lines of access logs, collected per worker and sink and written in batches: a slow disk costs a write now and then, not
/// one per request.
struct AccessLogBuffer: ~Copyable {
    /// Lines are written when this many bytes have come together, or at the next flush.
    static var batchBytes: Int { 32 * 1024 }

    private var sinks: [AccessLogDescriptor.Sink] = []
    private var descriptors: [Int32] = []
    private var lines: [[UInt8]] = []
    /// The line in the making: a format writes into it, `endLine` takes it over.
    var line = ByteBuffer(capacity: 4096)
    /// Bytes that could not be written.
    private(set) var lost = 0

    init() {}

    deinit {
        for (index, descriptor) in descriptors.enumerated() where descriptor > 2 {
            if case .file = sinks[index] { close(descriptor) }
        }
    }

    /// The number under which lines go to `sink`; it is opened when it is new.
    mutating func number(of sink: AccessLogDescriptor.Sink) -> Int { sinks.firstIndex(of: sink) ?? open(sink) }

    /// Adds the line that was written into `line` to those of a sink.
    mutating func endLine(of sink: Int) {
        Self.move(&line, to: &lines[sink])
        line.clear()
        if lines[sink].count >= Self.batchBytes { flush(sink) }
    }

    private static func move(_ line: inout ByteBuffer, to lines: inout [UInt8]) {
        // SAFETY: the bytes are copied during the call.
        line.withReadable { lines.append(contentsOf: $0) }
    }

    private mutating func open(_ sink: AccessLogDescriptor.Sink) -> Int {
        let descriptor: Int32 =
            switch sink {
            case .file(let path): Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
            case .standardOutput: 1
            case .standardError: 2
            }
        sinks.append(sink)
        descriptors.append(descriptor)
        var batch: [UInt8] = []
        // Room for a batch and the line that ends it.
        batch.reserveCapacity(Self.batchBytes + 8 * 1024)
        lines.append(batch)
        return sinks.count - 1
    }

    /// Writes what there is.
    mutating func flush() {
        for index in lines.indices where !lines[index].isEmpty { flush(index) }
    }

    private mutating func flush(_ index: Int) {
        var done = 0
        while done < lines[index].count {
            // SAFETY: the kernel reads the rest of the array during the call only.
            let written = lines[index].withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                return write(descriptors[index], rest.baseAddress, rest.count)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                lost += lines[index].count - done
                break
            }
            done += written
        }
        lines[index].removeAll(keepingCapacity: true)
    }
}
