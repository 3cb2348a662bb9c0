internal import HeaderBlock
package import Memory

/// A compiled line format. Writing a line allocates nothing once the buffer has room for it.
package struct AccessLogFormat: Sendable {
    let steps: [LogStep]
    /// Literal bytes of all steps, side by side.
    let literals: [UInt8]
    let headers: [HeaderName]
    let times: [TimeFormat]
    let omitsEmptyValues: Bool
    /// What filters found out that the format shows: who writes a line looks it up, and gives the values in this order.
    package let metadata: [MetadataKey]

    package struct MetadataKey: Sendable, Hashable {
        package var filter: [UInt8]
        package var path: [[UInt8]]
    }

    /// Compiles `spec`; fails with the operator that is unknown or malformed.
    package init(_ spec: AccessLogFormatSpec) throws(AccessLogFormatError) {
        var compiler = FormatCompiler()
        switch spec.body {
        case .text(let text): try compiler.addText(text)
        case .json(let members): try compiler.addLine(members)
        }
        steps = compiler.steps
        literals = compiler.literals
        headers = compiler.headers
        times = compiler.times
        metadata = compiler.metadata
        omitsEmptyValues = spec.omitsEmptyValues
    }

    /// Appends the line of one request, with the newline that the format has, to `output`.
    package func write(
        _ record: borrowing RequestRecord, _ context: borrowing AccessLogContext, to output: inout ByteBuffer
    ) {
        let steps = steps.span
        for index in steps.indices {
            let step = steps[index]
            switch step.style {
            case .literal: appendLiteral(step, &output)
            case .text, .fragment:
                if !writeValue(step, record, context, &output), !omitsEmptyValues { output.append(0x2D) }
            case .value:
                let mark = output.end
                appendLiteral(step, &output)
                if writeValue(step, record, context, &output) {
                    output.append(0x2C)
                } else if omitsEmptyValues {
                    output.truncate(to: mark)
                } else {
                    output.append("null,")
                }
            case .close:
                if output.end > 0, output.storage[output.end &- 1] == 0x2C { output.truncate(to: output.end &- 1) }
                appendLiteral(step, &output)
            }
        }
    }

    @inline(__always)
    private func appendLiteral(_ step: LogStep, _ output: inout ByteBuffer) {
        let start = Int(step.literalStart)
        output.append(literals.span.extracting(start..<(start &+ Int(step.literalCount))))
    }
}

/// Why a format cannot be compiled.
package struct AccessLogFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The JSON key path, empty in a text format.
    package var key: String
    package var message: String

    package init(key: String = "", message: String) {
        self.key = key
        self.message = message
    }

    package var description: String { key.isEmpty ? message : "\(key): \(message)" }
}
