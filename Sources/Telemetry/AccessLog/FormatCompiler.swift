internal import HeaderBlock

/// Turns format templates into steps.
struct FormatCompiler {
    var steps: [LogStep] = []
    var literals: [UInt8] = []
    var headers: [HeaderName] = []
    var times: [TimeFormat] = []
    var metadata: [AccessLogFormat.MetadataKey] = []

    /// A text format; written as it is.
    mutating func addText(_ text: String) throws(AccessLogFormatError) {
        for part in try FormatParser.parts(of: text) { try add(part, style: .text, key: "") }
    }

    /// One line with a JSON object.
    mutating func addLine(_ members: [AccessLogFormatSpec.Member]) throws(AccessLogFormatError) {
        try addObject(members, path: "")
        addLiteral("\n")
    }

    private mutating func addObject(
        _ members: [AccessLogFormatSpec.Member], path: String
    ) throws(AccessLogFormatError) {
        addLiteral("{")
        for member in members {
            let key = JSONText.quoted(member.key) + ":"
            try addTemplate(member.value, prefix: key, path: path.isEmpty ? member.key : "\(path).\(member.key)")
        }
        close("}")
    }

    private mutating func addTemplate(
        _ template: AccessLogFormatSpec.Template, prefix: String, path: String
    ) throws(AccessLogFormatError) {
        switch template {
        case .null: addLiteral(prefix + "null,")
        case .bool(let value): addLiteral(prefix + (value ? "true," : "false,"))
        case .number(let value):
            guard value.isFinite else { throw AccessLogFormatError(key: path, message: "is not a JSON number") }
            addLiteral(prefix + (value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)") + ",")
        case .object(let members):
            addLiteral(prefix)
            try addObject(members, path: path)
            addLiteral(",")
        case .array(let elements):
            addLiteral(prefix + "[")
            for (index, element) in elements.enumerated() {
                try addTemplate(element, prefix: "", path: "\(path)[\(index)]")
            }
            close("]")
            addLiteral(",")
        case .text(let text): try addString(text, prefix: prefix, path: path)
        }
    }

    /// A single command keeps its type; text around it, or several commands, make a string.
    private mutating func addString(_ text: String, prefix: String, path: String) throws(AccessLogFormatError) {
        let parts: [FormatParser.Part]
        do { parts = try FormatParser.parts(of: text) } catch {
            throw AccessLogFormatError(key: path, message: error.message)
        }
        if parts.count == 1, case .command = parts[0] {
            try add(parts[0], style: .value, key: path, prefix: prefix)
            return
        }
        addLiteral(prefix + "\"")
        for part in parts { try add(part, style: .fragment, key: path) }
        addLiteral("\",")
    }

    private mutating func add(
        _ part: FormatParser.Part, style: LogStep.Style, key: String, prefix: String = ""
    ) throws(AccessLogFormatError) {
        switch part {
        case .literal(let text): addLiteral(style == .fragment ? JSONText.escaped(text) : text)
        case .command(let command):
            var step = LogStep(style: style)
            do { try resolve(command, &step) } catch { throw AccessLogFormatError(key: key, message: error.message) }
            if let limit = command.limit { step.limit = UInt32(clamping: limit) }
            (step.literalStart, step.literalCount) = place(prefix)
            steps.append(step)
        }
    }

    private mutating func resolve(
        _ command: FormatParser.Command, _ step: inout LogStep
    ) throws(AccessLogFormatError) {
        let name = command.name
        if let known = LogOperator.headers[name] {
            guard let arguments = command.arguments, !arguments.isEmpty else {
                throw AccessLogFormatError(message: "%\(name)% needs a header name: %\(name)(NAME)%")
            }
            try resolveHeaders(known, name, arguments, &step)
        } else if name == "START_TIME" {
            step.command = .startTime
            if let arguments = command.arguments, !arguments.isEmpty {
                times.append(try TimeFormat(arguments, isJSON: step.style != .text))
                step.first = UInt16(times.count - 1)
            }
        } else if name == "DYNAMIC_METADATA" {
            let parts = (command.arguments ?? "").split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty }), metadata.count < Int(UInt16.max) else {
                throw AccessLogFormatError(
                    message: "%DYNAMIC_METADATA% needs a filter and a key: %DYNAMIC_METADATA(FILTER:KEY)%, or more keys"
                )
            }
            step.command = .dynamicMetadata
            step.first = UInt16(metadata.count)
            metadata.append(.init(filter: Array(parts[0].utf8), path: parts.dropFirst().map { Array($0.utf8) }))
        } else if name == "GRPC_STATUS", let arguments = command.arguments {
            switch arguments {
            case "", "CAMEL_STRING": step.command = .grpcStatus
            case "SNAKE_STRING": step.command = .grpcStatusSnake
            case "NUMBER": step.command = .grpcStatusNumber
            default:
                throw AccessLogFormatError(
                    message: "%GRPC_STATUS(\(arguments))%: CAMEL_STRING, SNAKE_STRING or NUMBER is expected")
            }
        } else if let known = LogOperator.plain[name] {
            if let arguments = command.arguments {
                throw AccessLogFormatError(message: "%\(name)% takes no argument, but has (\(arguments))")
            }
            (step.command, step.part) = known
        } else {
            throw AccessLogFormatError(message: "unknown command operator %\(name)%")
        }
    }

    private mutating func resolveHeaders(
        _ command: LogOperator, _ name: String, _ arguments: String, _ step: inout LogStep
    ) throws(AccessLogFormatError) {
        let names = arguments.split(separator: "?", omittingEmptySubsequences: false).map(String.init)
        guard names.count <= 2, names.allSatisfy({ !$0.isEmpty }), headers.count + names.count < Int(UInt16.max) else {
            throw AccessLogFormatError(message: "%\(name)(\(arguments))%: one header name, or two with ? between them")
        }
        step.command = command
        if names.count == 1, names[0].lowercased() == ":scheme", command == .request { step.command = .scheme }
        if names.count == 1, names[0].lowercased() == ":status", command == .response { step.command = .responseStatus }
        headers.append(HeaderName(names[0]))
        step.first = UInt16(headers.count - 1)
        if names.count == 2 {
            headers.append(HeaderName(names[1]))
            step.second = UInt16(headers.count - 1)
        }
    }

    private mutating func addLiteral(_ text: String) {
        if text.isEmpty { return }
        if let last = steps.last, last.style == .literal {
            literals.append(contentsOf: text.utf8)
            steps[steps.count - 1].literalCount += UInt32(text.utf8.count)
            return
        }
        var step = LogStep(style: .literal)
        (step.literalStart, step.literalCount) = place(text)
        steps.append(step)
    }

    private mutating func close(_ text: String) {
        var step = LogStep(style: .close)
        (step.literalStart, step.literalCount) = place(text)
        steps.append(step)
    }

    private mutating func place(_ text: String) -> (UInt32, UInt32) {
        let start = literals.count
        literals.append(contentsOf: text.utf8)
        return (UInt32(start), UInt32(literals.count - start))
    }
}
