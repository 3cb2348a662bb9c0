/// `per_connection_buffer_limit_bytes` of listeners and clusters.
///
/// A connection's buffers have a size of their own, which bodies of any length pass through: every limit above that size
/// is kept without doing anything, and one below it could not be.
enum BufferLimit {
    /// One buffer.
    static let least: UInt32 = 16 * 1024

    static func check(_ limit: UInt32, issues: inout [CompileIssue]) {
        guard limit < least else { return }
        issues.append(
            CompileIssue(
                path: "per_connection_buffer_limit_bytes", message: "must be at least \(least), is \(limit)"))
    }
}
