/// The parts of a DNS message (RFC 1035 section 4) that a proxy needs: one question in, addresses out. Total: any bytes
/// give a value or nil; names and messages are bounded by the RFC's limits.
package enum DNSMessage {
    /// RFC 1035 section 2.3.4.
    static let maximumName = 255
    static let maximumLabel = 63
    /// Without EDNS (RFC 6891) an answer over UDP may not be longer.
    static let maximumPlainResponse = 512

    package enum RecordType {
        package static let a: UInt16 = 1
        package static let aaaa: UInt16 = 28
        package static let any: UInt16 = 255
    }

    package enum ResponseCode: UInt8, Sendable {
        case noError = 0, formatError = 1, serverFailure = 2, nameError = 3, notImplemented = 4, refused = 5
    }

    /// A standard query with one question.
    package struct Query: Sendable, Equatable {
        package var id: UInt16
        package var recursionDesired: Bool
        /// Lower case, without the final dot.
        package var name: String
        package var type: UInt16
        package var isInternetClass: Bool
        /// The question as it came, to be sent back unchanged (case included).
        package var question: [UInt8]
        /// Largest answer that the client takes over UDP.
        package var payloadSize: Int

        package init(
            id: UInt16, recursionDesired: Bool = true, name: String, type: UInt16, isInternetClass: Bool = true,
            question: [UInt8] = [], payloadSize: Int = DNSMessage.maximumPlainResponse
        ) {
            self.id = id
            self.recursionDesired = recursionDesired
            self.name = name
            self.type = type
            self.isInternetClass = isInternetClass
            self.question = question
            self.payloadSize = payloadSize
        }
    }

    package enum Parsed: Sendable, Equatable {
        case query(Query)
        /// Answer with this code; the header was readable.
        case refuse(id: UInt16, ResponseCode)
        /// Not worth an answer: too short, or itself a response.
        case ignore
    }

    package static func parse(_ bytes: [UInt8]) -> Parsed {
        guard bytes.count >= 12 else { return .ignore }
        let id = uint16(bytes, 0)
        guard bytes[2] & 0x80 == 0 else { return .ignore }
        guard bytes[2] >> 3 & 0xf == 0 else { return .refuse(id: id, .notImplemented) }
        guard uint16(bytes, 4) == 1 else { return .refuse(id: id, .formatError) }
        guard let (name, end) = name(bytes, 12), end + 4 <= bytes.count else {
            return .refuse(id: id, .formatError)
        }
        var query = Query(
            id: id,
            recursionDesired: bytes[2] & 1 == 1,
            name: name,
            type: uint16(bytes, end),
            isInternetClass: uint16(bytes, end + 2) == 1,
            question: Array(bytes[12..<(end + 4)])
        )
        query.payloadSize = payloadSize(bytes, end + 4, records: 6)
        return .query(query)
    }

    /// The name at `offset`, without compression: in a question there is nothing to point back to.
    private static func name(_ bytes: [UInt8], _ offset: Int) -> (String, end: Int)? {
        var labels: [String] = []
        var at = offset
        while at < bytes.count {
            let length = Int(bytes[at])
            if length == 0 { return (labels.joined(separator: "."), at + 1) }
            guard length <= maximumLabel, at + 1 + length < bytes.count, at + length - offset < maximumName else {
                return nil
            }
            let label = bytes[(at + 1)...(at + length)]
            // A dot inside a label would read as two labels.
            guard !label.contains(UInt8(ascii: ".")) else { return nil }
            labels.append(String(decoding: label, as: UTF8.self).lowercased())
            at += 1 + length
        }
        return nil
    }

    /// The EDNS payload size in the additional section; the plain limit when there is none.
    private static func payloadSize(_ bytes: [UInt8], _ offset: Int, records: Int) -> Int {
        // Queries carry no answers, so the OPT record (root name, type 41) comes right after the question.
        guard uint16(bytes, 6) == 0, uint16(bytes, 8) == 0, uint16(bytes, 10) > 0,
            offset + 11 <= bytes.count, bytes[offset] == 0, uint16(bytes, offset + 1) == 41
        else { return maximumPlainResponse }
        return min(4096, max(maximumPlainResponse, Int(uint16(bytes, offset + 3))))
    }

    /// An answer with address records. What does not fit into the client's payload size is left out: the addresses are
    /// alternatives, so a part of them is as good.
    /// - Parameters:
    ///   - addresses: 4 bytes each (A) or 16 (AAAA), as the query's type asks.
    ///   - ttl: seconds.
    package static func answer(_ query: Query, addresses: [[UInt8]], ttl: UInt32) -> [UInt8] {
        let width = query.type == RecordType.aaaa ? 16 : 4
        let room = (query.payloadSize - 12 - query.question.count) / (12 + width)
        let records = addresses.filter { $0.count == width }.prefix(max(0, room))
        var bytes = header(
            query.id, .noError, recursionDesired: query.recursionDesired, questions: 1, answers: records.count)
        // Authoritative: the mesh is the only one that knows these names.
        bytes[2] |= 0x04
        bytes += query.question
        for address in records {
            bytes += [0xc0, 12]
            append(query.type, to: &bytes)
            append(1, to: &bytes)
            append(UInt16(truncatingIfNeeded: ttl >> 16), to: &bytes)
            append(UInt16(truncatingIfNeeded: ttl), to: &bytes)
            append(UInt16(width), to: &bytes)
            bytes += address
        }
        return bytes
    }

    package static func failure(_ query: Query, _ code: ResponseCode) -> [UInt8] {
        header(query.id, code, recursionDesired: query.recursionDesired, questions: 1, answers: 0) + query.question
    }

    package static func failure(id: UInt16, _ code: ResponseCode) -> [UInt8] {
        header(id, code, recursionDesired: false, questions: 0, answers: 0)
    }

    private static func header(
        _ id: UInt16, _ code: ResponseCode, recursionDesired: Bool, questions: Int, answers: Int
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        append(id, to: &bytes)
        bytes.append(0x80 | (recursionDesired ? 1 : 0))
        bytes.append(0x80 | code.rawValue)
        append(UInt16(questions), to: &bytes)
        append(UInt16(answers), to: &bytes)
        append(0, to: &bytes)
        append(0, to: &bytes)
        return bytes
    }

    private static func uint16(_ bytes: [UInt8], _ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }

    private static func append(_ number: UInt16, to bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: number >> 8))
        bytes.append(UInt8(truncatingIfNeeded: number))
    }
}
