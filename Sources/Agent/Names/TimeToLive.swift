import EventLoop
import Glibc

/// How long an answer may be kept. The system's resolver does not say, so the first name server is asked for the records
/// themselves.
enum TimeToLive {
    /// The lowest TTL of the answers; nil when no server answers within a second or the name comes from elsewhere.
    static func ask(_ name: String, v6: Bool) async -> Duration? {
        await DetachedThread.value(name: "resolver", orElse: nil) { blocking(name, v6: v6) }
    }

    private static func blocking(_ name: String, v6: Bool) -> Duration? {
        guard let server = nameServer() else { return nil }
        guard let socket = try? Sockets.datagram(server.family) else { return nil }
        defer { close(socket) }
        let id = UInt16.random(in: .min ... .max)
        let question = query(name, id: id, v6: v6)
        let sent = server.withSocketAddress { address, length in
            question.withUnsafeBytes { sendto(socket, $0.baseAddress, $0.count, 0, address, length) }
        }
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard sent == question.count, poll(&entry, 1, 1000) == 1 else { return nil }
        var answer = [UInt8](repeating: 0, count: 4096)
        let count = answer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
        guard count > 12 else { return nil }
        return lowest(Array(answer.prefix(count)), id: id).map { Duration.seconds(Int64($0)) }
    }

    private static func nameServer() -> Endpoint? {
        guard let file = fopen("/etc/resolv.conf", "re") else { return nil }
        defer { fclose(file) }
        let room = 512
        var line = [CChar](repeating: 0, count: room)
        while fgets(&line, Int32(room), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
            if words.count >= 2, words[0] == "nameserver" { return Endpoint(host: String(words[1]), port: 53) }
        }
        return nil
    }

    static func query(_ name: String, id: UInt16, v6: Bool) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 255), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") where label.utf8.count < 64 {
            bytes.append(UInt8(label.utf8.count))
            bytes += Array(label.utf8)
        }
        return bytes + [0, 0, v6 ? 28 : 1, 0, 1]
    }

    /// The lowest TTL among the answers of a DNS message (RFC 1035, section 4.1); nil when it has none.
    static func lowest(_ bytes: [UInt8], id: UInt16) -> UInt32? {
        guard bytes.count > 12, UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == id, bytes[3] & 15 == 0 else { return nil }
        let questions = Int(bytes[4]) << 8 | Int(bytes[5])
        let answers = Int(bytes[6]) << 8 | Int(bytes[7])
        var place = 12
        for _ in 0..<questions {
            guard let end = skipName(bytes, place) else { return nil }
            place = end + 4
        }
        var lowest: UInt32?
        for _ in 0..<answers {
            guard let end = skipName(bytes, place), end + 10 <= bytes.count else { return lowest }
            let ttl = bytes[(end + 4)..<(end + 8)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            lowest = min(lowest ?? .max, ttl)
            place = end + 10 + (Int(bytes[end + 8]) << 8 | Int(bytes[end + 9]))
        }
        return lowest
    }

    private static func skipName(_ bytes: [UInt8], _ start: Int) -> Int? {
        var place = start
        while place < bytes.count {
            if bytes[place] == 0 { return place + 1 }
            if bytes[place] & 0xc0 == 0xc0 { return place + 2 }
            place += Int(bytes[place]) + 1
        }
        return nil
    }
}
