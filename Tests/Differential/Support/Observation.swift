import Foundation

/// What one exchange looked like from outside, flat: a place (`response[0].headers.server`) and what stands there.
struct Observation {
    private(set) var facts: [String: String] = [:]

    subscript(place: String) -> String? {
        get { facts[place] }
        set { facts[place] = newValue }
    }

    mutating func note(_ message: ReceivedMessage, at place: String) {
        facts["\(place).line"] = message.startLine
        facts["\(place).framing"] = message.framing.rawValue
        note(message.headers, at: "\(place).headers")
        if !message.trailers.isEmpty { note(message.trailers, at: "\(place).trailers") }
        facts["\(place).body"] = Self.text(message.body)
        if let end = message.end { facts["\(place).end"] = end }
        if !message.interim.isEmpty { facts["\(place).interim"] = message.interim.joined(separator: " ") }
        if !message.isComplete { facts["\(place).body"]? += " (cut off)" }
    }

    private mutating func note(_ fields: [(name: String, value: String)], at place: String) {
        for (name, value) in fields {
            let key = "\(place).\(name)"
            facts[key] = facts[key].map { $0 + " | " + value } ?? value
        }
    }

    /// A long body is told by its beginning, length and sum.
    static func text(_ body: [UInt8]) -> String {
        let text = String(decoding: body.prefix(600), as: UTF8.self)
        guard body.count > 600 else { return text }
        let sum = body.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
        return "\(text)… \(body.count) bytes, sum \(sum)"
    }

    /// Replaces what differs from run to run by what it stands for.
    mutating func normalise(_ rules: Normalisation) {
        for (place, value) in facts { facts[place] = rules.apply(value, at: place) }
    }
}

/// The rules for values that change from run to run.
struct Normalisation: Sendable {
    /// Port numbers of this side by the name that the bootstrap calls them.
    let ports: [String: UInt16]
    /// Other texts of this side, as folders.
    let texts: [String: String]

    func apply(_ value: String, at place: String) -> String {
        if place.hasSuffix(".date") || place.hasSuffix(".Date") { return "<date>" }
        if place.hasSuffix(".flags") { return value.split(separator: ",").sorted().joined(separator: ",") }
        if place.hasSuffix(".x-envoy-upstream-service-time") { return Int(value) == nil ? value : "<milliseconds>" }
        if place.hasSuffix(".x-envoy-expected-rq-timeout-ms"), let time = Int(value) {
            // Counted down between tries, of which the first need not have reached a backend.
            if !place.hasPrefix("attempt[0]") { return time > 1000 ? "\((time + 250) / 500 * 500)" : "<milliseconds>" }
            let next = (time + 499) / 500 * 500
            return next - time < 60 ? "\(next)" : value
        }
        var result = value
        result = result.replacing(#/\b\d{4,5}\b/#) { match in
            ports.first { "\($0.value)" == match.output }.map { "{{\($0.key)}}" } ?? String(match.output)
        }
        result = result.replacing(/\b127\.9\.\d+\.\d+/, with: "127.0.0.1")
        for (name, text) in texts { result = result.replacingOccurrences(of: text, with: "{{\(name)}}") }
        let uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
        result = result.replacing(uuid, with: "<uuid>")
        return result.replacing(/(127\.0\.0\.\d+):(3[2-9]\d{3}|[4-6]\d{4})\b/) { "\($0.1):<port>" }
    }
}
