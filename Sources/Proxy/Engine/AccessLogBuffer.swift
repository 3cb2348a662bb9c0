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
    private var line = ByteBuffer(capacity: 4096)
    /// Bytes that could not be written.
    private(set) var lost = 0

    init() {}

    deinit {
        for (index, descriptor) in descriptors.enumerated() where descriptor > 2 {
            if case .file = sinks[index] { close(descriptor) }
        }
    }

    /// Appends the line that `write` puts into the buffer it is given.
    mutating func append(to sink: AccessLogDescriptor.Sink, _ write: (inout ByteBuffer) -> Void) {
        let index = sinks.firstIndex(of: sink) ?? open(sink)
        line.clear()
        write(&line)
        Self.move(&line, to: &lines[index])
        if lines[index].count >= Self.batchBytes { flush(index) }
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
        lines.append([])
        return sinks.count - 1
    }

    /// Writes what there is.
    mutating func flush() {
        for index in lines.indices where !lines[index].isEmpty { flush(index) }
    }

    private mutating func flush(_ index: Int) {
        var rest = lines[index][...]
        while !rest.isEmpty {
            // SAFETY: the kernel reads the slice during the call only.
            let written = rest.withUnsafeBytes { write(descriptors[index], $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                lost += rest.count
                break
            }
            rest = rest.dropFirst(written)
        }
        lines[index].removeAll(keepingCapacity: true)
    }
}
