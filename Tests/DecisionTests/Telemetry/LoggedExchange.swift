import HeaderBlock
import Memory
import Telemetry

/// A finished exchange for tests, and the line that a format makes of it.
struct LoggedExchange {
    var record = LoggedExchange.record()
    var path = "/reviews?id=1"
    var requestHeaders = [("User-Agent", "curl/8.0"), ("X-Request-Id", "abc-123")]
    var responseHeaders = [("X-Envoy-Upstream-Service-Time", "7")]
    var trailers: [(String, String)] = []
    var codeDetails = ""
    var transportFailure = ""
    var origin = ""
    var serverName = "outbound_.9080_._.reviews.default.svc.cluster.local"
    var peerURI = "spiffe://cluster.local/ns/default/sa/productpage"

    func line(_ spec: AccessLogFormatSpec) throws -> String {
        let format = try AccessLogFormat(spec)
        var output = ByteBuffer(capacity: 64)
        write(format, to: &output)
        let bytes = output.bytes
        return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    func line(_ text: String, omitsEmptyValues: Bool = false) throws -> String {
        try line(AccessLogFormatSpec(.text(text), omitsEmptyValues: omitsEmptyValues))
    }

    func write(_ format: AccessLogFormat, to output: inout ByteBuffer) {
        var requestBytes: [UInt8] = []
        var requestTable = HeaderTable()
        requestTable.method = requestBytes.add("GET")
        requestTable.path = requestBytes.add(path)
        requestTable.authority = requestBytes.add("reviews:9080")
        requestBytes.add(requestHeaders, to: &requestTable)
        var responseBytes: [UInt8] = []
        var responseTable = HeaderTable()
        responseTable.status = record.status
        responseBytes.add(responseHeaders, to: &responseTable)
        var trailerBytes: [UInt8] = []
        var trailerTable = HeaderTable()
        trailerBytes.add(trailers, to: &trailerTable)
        let cluster = Array("outbound|9080|v1|reviews.default.svc.cluster.local".utf8)
        let route = Array("reviews-route".utf8)
        let details = Array(codeDetails.utf8)
        let failure = Array(transportFailure.utf8)
        let origin = Array(origin.utf8)
        let serverName = Array(serverName.utf8)
        let peerURI = Array(peerURI.utf8)
        let cipher = Array("TLS_AES_128_GCM_SHA256".utf8)
        let names = LogNames(
            cluster: cluster.span, route: route.span, codeDetails: details.span,
            upstreamTransportFailure: failure.span, origin: origin.span)
        let tls = LogTLSNames(
            requestedServerName: serverName.span, downstreamPeerURI: peerURI.span, downstreamCipher: cipher.span)
        if record.kind == .http {
            let context = AccessLogContext(
                request: HeadView(requestTable, bytes: requestBytes.span),
                response: HeadView(responseTable, bytes: responseBytes.span),
                trailers: HeadView(trailerTable, bytes: trailerBytes.span), names: names, tls: tls)
            format.write(record, context, to: &output)
        } else {
            let context = AccessLogContext(request: nil, response: nil, trailers: nil, names: names, tls: tls)
            format.write(record, context, to: &output)
        }
    }

    /// 2026-02-28T23:59:58.123456Z, 12.9 ms, 200 through one endpoint.
    private static func record() -> RequestRecord {
        var record = RequestRecord()
        record.startedWall = 1_772_323_198_123_456
        record.started = 5_000_000
        record.requestReceived = 5_000_400
        record.lastUpstreamSent = 5_001_100
        record.firstUpstreamReceived = 5_009_000
        record.lastUpstreamReceived = 5_011_000
        record.ended = 5_012_900
        record.bytesReceived = 5
        record.bytesSent = 1_024
        record.status = 200
        record.codeDetails = CodeDetails.viaUpstream
        record.attempts = 1
        record.connectionID = 42
        record.upstreamRemote = .ipv4(0x0AF4_0007, port: 9080)
        record.upstreamLocal = .ipv4(0x0AF4_0006, port: 40_000)
        record.downstreamLocal = .ipv4(0x0A60_0102, port: 9080)
        record.downstreamRemote = .ipv4(0x0AF4_0006, port: 51_000)
        record.downstreamTLSVersion = 0x0304
        return record
    }
}

extension [UInt8] {
    fileprivate mutating func add(_ text: String) -> ByteRange {
        let start = count
        append(contentsOf: text.utf8)
        return ByteRange(start: start, length: count - start)
    }

    fileprivate mutating func add(_ headers: [(String, String)], to table: inout HeaderTable) {
        for (name, value) in headers {
            let nameRange = add(name)
            let valueRange = add(value)
            let known = KnownHeader.classify(self.span, nameRange)
            _ = table.append(HeaderField(name: nameRange, value: valueRange, id: known))
        }
    }
}
