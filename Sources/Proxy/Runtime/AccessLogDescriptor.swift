package import Telemetry

/// One access log of a connection manager or TCP proxy: where lines go, and their compiled format.
package struct AccessLogDescriptor: Sendable {
    package enum Sink: Sendable, Hashable {
        case file(String)
        case standardOutput
        case standardError
    }

    package let sink: Sink
    package let format: AccessLogFormat

    package init(sink: Sink, format: AccessLogFormat) {
        self.sink = sink
        self.format = format
    }
}
