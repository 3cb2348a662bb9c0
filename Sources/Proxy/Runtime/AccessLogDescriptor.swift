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
    /// nil logs everything.
    package let filter: AccessLogFilter?

    package init(sink: Sink, format: AccessLogFormat, filter: AccessLogFilter? = nil) {
        self.sink = sink
        self.format = format
        self.filter = filter
    }
}
