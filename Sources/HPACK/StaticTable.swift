internal import HeaderBlock

/// The static table (RFC 7541 appendix A), entries 1 to 61.
enum StaticTable {
    static var count: Int { 61 }

    /// The name of entry `index`.
    static func name(_ index: Int) -> StaticString {
        switch index {
        case 1: ":authority"
        case 2, 3: ":method"
        case 4, 5: ":path"
        case 6, 7: ":scheme"
        case 8, 9, 10, 11, 12, 13, 14: ":status"
        case 15: "accept-charset"
        case 16: "accept-encoding"
        case 17: "accept-language"
        case 18: "accept-ranges"
        case 19: "accept"
        case 20: "access-control-allow-origin"
        case 21: "age"
        case 22: "allow"
        case 23: "authorization"
        case 24: "cache-control"
        case 25: "content-disposition"
        case 26: "content-encoding"
        case 27: "content-language"
        case 28: "content-length"
        case 29: "content-location"
        case 30: "content-range"
        case 31: "content-type"
        case 32: "cookie"
        case 33: "date"
        case 34: "etag"
        case 35: "expect"
        case 36: "expires"
        case 37: "from"
        case 38: "host"
        case 39: "if-match"
        case 40: "if-modified-since"
        case 41: "if-none-match"
        case 42: "if-range"
        case 43: "if-unmodified-since"
        case 44: "last-modified"
        case 45: "link"
        case 46: "location"
        case 47: "max-forwards"
        case 48: "proxy-authenticate"
        case 49: "proxy-authorization"
        case 50: "range"
        case 51: "referer"
        case 52: "refresh"
        case 53: "retry-after"
        case 54: "server"
        case 55: "set-cookie"
        case 56: "strict-transport-security"
        case 57: "transfer-encoding"
        case 58: "user-agent"
        case 59: "vary"
        case 60: "via"
        case 61: "www-authenticate"
        default: ""
        }
    }

    /// The value of entry `index`.
    static func value(_ index: Int) -> StaticString {
        switch index {
        case 2: "GET"
        case 3: "POST"
        case 4: "/"
        case 5: "/index.html"
        case 6: "http"
        case 7: "https"
        case 8: "200"
        case 9: "204"
        case 10: "206"
        case 11: "304"
        case 12: "400"
        case 13: "404"
        case 14: "500"
        case 16: "gzip, deflate"
        default: ""
        }
    }

    /// What the name of entry `index` is.
    static func identity(_ index: Int) -> FieldName {
        switch index {
        case 1: FieldName(kind: .authority)
        case 2, 3: FieldName(kind: .method)
        case 4, 5: FieldName(kind: .path)
        case 6, 7: FieldName(kind: .scheme)
        case 8, 9, 10, 11, 12, 13, 14: FieldName(kind: .status)
        case 19: FieldName(.accept)
        case 23: FieldName(.authorization)
        case 24: FieldName(.cacheControl)
        case 28: FieldName(.contentLength)
        case 31: FieldName(.contentType)
        case 32: FieldName(.cookie)
        case 33: FieldName(.date)
        case 35: FieldName(.expect)
        case 38: FieldName(.host)
        case 46: FieldName(.location)
        case 54: FieldName(.server)
        case 57: FieldName(.transferEncoding)
        case 58: FieldName(.userAgent)
        case 60: FieldName(.via)
        default: FieldName(.other)
        }
    }

    /// The first entry with a known name; 0 when there is none.
    static func index(_ id: KnownHeader) -> Int {
        switch id {
        case .accept: 19
        case .authorization: 23
        case .cacheControl: 24
        case .contentLength: 28
        case .contentType: 31
        case .cookie: 32
        case .date: 33
        case .expect: 35
        case .host: 38
        case .location: 46
        case .server: 54
        case .transferEncoding: 57
        case .userAgent: 58
        case .via: 60
        default: 0
        }
    }

    /// The first entry with the name at `range`, which is none of `KnownHeader`'s, in any case of letters; 0 when there is none.
    static func index(_ bytes: borrowing Span<UInt8>, _ range: ByteRange) -> Int {
        guard range.count >= 3, range.count <= 27 else { return 0 }
        let first = bytes[range.lowerBound] | 0x20
        let last = bytes[range.upperBound &- 1] | 0x20
        let candidate = candidate(length: range.count, first: first, last: last)
        return candidate > 0 && bytes.equalsIgnoringCase(range, name(candidate)) ? candidate : 0
    }

    private static func candidate(length: Int, first: UInt8, last: UInt8) -> Int {
        switch (length, first, last) {
        case (14, 0x61, 0x74): 15
        case (15, 0x61, 0x67): 16
        case (15, 0x61, 0x65): 17
        case (13, 0x61, 0x73): 18
        case (27, 0x61, 0x6e): 20
        case (3, 0x61, 0x65): 21
        case (5, 0x61, 0x77): 22
        case (19, 0x63, 0x6e): 25
        case (16, 0x63, 0x67): 26
        case (16, 0x63, 0x65): 27
        case (16, 0x63, 0x6e): 29
        case (13, 0x63, 0x65): 30
        case (4, 0x65, 0x67): 34
        case (7, 0x65, 0x73): 36
        case (4, 0x66, 0x6d): 37
        case (8, 0x69, 0x68): 39
        case (17, 0x69, 0x65): 40
        case (13, 0x69, 0x68): 41
        case (8, 0x69, 0x65): 42
        case (19, 0x69, 0x65): 43
        case (13, 0x6c, 0x64): 44
        case (4, 0x6c, 0x6b): 45
        case (12, 0x6d, 0x73): 47
        case (18, 0x70, 0x65): 48
        case (19, 0x70, 0x6e): 49
        case (5, 0x72, 0x65): 50
        case (7, 0x72, 0x72): 51
        case (7, 0x72, 0x68): 52
        case (11, 0x72, 0x72): 53
        case (10, 0x73, 0x65): 55
        case (25, 0x73, 0x79): 56
        case (4, 0x76, 0x79): 59
        case (16, 0x77, 0x65): 61
        default: 0
        }
    }
}
