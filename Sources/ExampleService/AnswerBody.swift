import NIOCore
import NIOHTTP1

/// The JSON text of an answer: who answered, what was asked, what the upstreams said.
func answerBody(
    status: Int,
    note: String?,
    exchange: Exchange,
    options: ServiceOptions,
    outcomes: [UpstreamOutcome],
    padding: Int,
    allocator: ByteBufferAllocator
) -> ByteBuffer {
    var json = JSONWriter(buffer: allocator.buffer(capacity: 1024 + padding))
    json.beginObject()
    json.field("service", options.name)
    json.field("version", options.version)
    json.field("instance", options.instance)
    json.field("status", status)
    if let note { json.field("note", note) }
    json.field("protocol", exchange.transport)
    json.field("method", exchange.head.method.rawValue)
    json.field("path", exchange.head.uri)
    json.field("peer", exchange.peer)
    json.beginObject("headers")
    write(headers: exchange.head.headers, to: &json)
    json.endObject()
    if exchange.body.readableBytes > 0 {
        json.beginObject("body")
        json.field("bytes", exchange.body.readableBytes)
        let shown = min(exchange.body.readableBytes, Limits.echoedBodyBytes)
        json.field("text", String(decoding: exchange.body.readableBytesView.prefix(shown), as: UTF8.self))
        json.endObject()
    }
    if !outcomes.isEmpty {
        json.beginArray("upstreams")
        for outcome in outcomes { write(outcome, to: &json) }
        json.endArray()
    }
    if padding > 0 { json.field("padding", String(repeating: "x", count: padding)) }
    json.endObject()
    var buffer = json.buffer
    buffer.writeInteger(UInt8(ascii: "\n"))
    return buffer
}

/// Names in lower case; values of a repeated header are joined, as RFC 9110 section 5.3 allows.
private func write(headers: HTTPHeaders, to json: inout JSONWriter) {
    var seen: Set<String> = []
    for (name, value) in headers {
        let lower = name.lowercased()
        guard seen.insert(lower).inserted else { continue }
        let all = headers[name]
        json.field(named: lower, all.count == 1 ? value : all.joined(separator: ", "))
    }
}

private func write(_ outcome: UpstreamOutcome, to json: inout JSONWriter) {
    json.beginObject()
    json.field("url", outcome.url)
    let (seconds, attoseconds) = outcome.duration.components
    json.field("microseconds", Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000))
    switch outcome.result {
    case .success(let response):
        json.field("status", Int(response.head.status.code))
        // Only an answer of one of our own kind goes in as it is; anything else might not be JSON at all.
        if response.head.headers.contains(name: "x-service"), response.body.readableBytes > 0,
            response.head.headers.first(name: "content-type") == "application/json"
        {
            var body = response.body
            if let end = body.readableBytesView.lastIndex(where: { $0 != UInt8(ascii: "\n") }) {
                body.moveWriterIndex(to: end + 1)
            }
            json.field("answer", json: body)
        } else {
            let shown = response.body.readableBytesView.prefix(Limits.echoedBodyBytes)
            json.field("text", String(decoding: shown, as: UTF8.self))
        }
    case .failure(let error):
        json.field("error", String(describing: error))
    }
    json.endObject()
}
