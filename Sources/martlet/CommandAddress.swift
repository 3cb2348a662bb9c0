/// `HOST:PORT` on a command line; IPv6 addresses stand in brackets.
struct CommandAddress {
    var host: String
    var port: Int

    /// - Returns: nil when the text is not that.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65535).contains(port)
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, host.contains(":") == text.hasPrefix("[") else { return nil }
        self.host = host
        self.port = port
    }
}
