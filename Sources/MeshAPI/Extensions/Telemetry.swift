/// `telemetry.istio.io` Telemetry: which metrics, access logs and traces proxies make.
package struct Telemetry: Sendable, Equatable {
    package enum Side: String, CaseIterable, Sendable {
        case both = "CLIENT_AND_SERVER"
        case client = "CLIENT"
        case server = "SERVER"
    }

    package struct Provider: ObjectDecodable {
        package var name: String

        package init(_ reader: ObjectReader) { name = reader.requiredString("name") }
    }

    package struct TagOverride: ObjectDecodable {
        package enum Operation: String, CaseIterable, Sendable {
            case upsert = "UPSERT"
            case remove = "REMOVE"
        }

        package var operation: Operation
        package var value: String?

        package init(_ reader: ObjectReader) {
            operation = reader.choice("operation") ?? .upsert
            value = reader.string("value")
            let isSet = !(value ?? "").isEmpty
            if operation == .upsert, !isSet { reader.error(nil, "value must be set when operation is UPSERT") }
            if operation == .remove, isSet { reader.error("value", "value must not be set when operation is REMOVE") }
        }
    }

    package struct MetricOverride: ObjectDecodable {
        package var location: SourceLocation
        package var metric: String?
        package var side: Side
        package var isDisabled: Bool?
        package var tags: [String: TagOverride]

        package init(_ reader: ObjectReader) {
            location = reader.location
            let match = reader.child("match")
            match.atMostOne(of: "metric", "customMetric")
            metric = match.string("metric") ?? match.string("customMetric")
            side = match.choice("mode") ?? .both
            isDisabled = reader.bool("disabled")
            tags = Dictionary(reader.objectMap("tagOverrides", TagOverride.self).map { ($0.key, $0.value) }) { $1 }
            if match.has("metric"), let metric, !Self.metrics.contains(metric) {
                match.error(
                    "metric", "unsupported value \"\(metric)\"\(Suggestion.clause(for: metric, among: Self.metrics))")
            }
        }

        private static let metrics = [
            "ALL_METRICS", "REQUEST_COUNT", "REQUEST_DURATION", "REQUEST_SIZE", "RESPONSE_SIZE",
            "TCP_OPENED_CONNECTIONS",
            "TCP_CLOSED_CONNECTIONS", "TCP_SENT_BYTES", "TCP_RECEIVED_BYTES", "GRPC_REQUEST_MESSAGES",
            "GRPC_RESPONSE_MESSAGES",
        ]
    }

    package struct Metrics: ObjectDecodable {
        package var location: SourceLocation
        package var providers: [Provider]
        package var overrides: [MetricOverride]
        package var reportingInterval: Duration?

        package init(_ reader: ObjectReader) {
            location = reader.location
            providers = reader.objects("providers")
            overrides = reader.objects("overrides")
            reportingInterval = reader.duration("reportingInterval")
            // The field of Istio's first telemetry API, which examples on the web still show.
            reader.notSupported("dimensions", "use overrides with tagOverrides")
        }
    }

    package struct AccessLogging: ObjectDecodable {
        package var location: SourceLocation
        package var providers: [Provider]
        package var side: Side
        package var isDisabled: Bool?
        /// CEL expression of the requests that are logged.
        package var filter: Located<String>?

        package init(_ reader: ObjectReader) {
            location = reader.location
            providers = reader.objects("providers")
            side = reader.child("match").choice("mode") ?? .both
            isDisabled = reader.bool("disabled")
            let filter = reader.child("filter")
            self.filter = filter.located("expression")
            if let text = self.filter?.value, !Self.isBalanced(text) {
                filter.error("expression", "not a valid expression: the brackets do not match")
            }
        }

        private static func isBalanced(_ text: String) -> Bool {
            var open: [Character] = []
            var quote: Character?
            for character in text {
                if let end = quote {
                    if character == end { quote = nil }
                    continue
                }
                switch character {
                case "'", "\"": quote = character
                case "(": open.append(")")
                case "[": open.append("]")
                case "{": open.append("}")
                case ")", "]", "}": if open.popLast() != character { return false }
                default: break
                }
            }
            return open.isEmpty && quote == nil
        }
    }

    package struct CustomTag: ObjectDecodable {
        package init(_ reader: ObjectReader) {
            reader.exactlyOne(of: "literal", "environment", "header", "formatter")
            let literal = reader.child("literal")
            if reader.has("literal") { _ = literal.requiredString("value") }
            for key in ["environment", "header"] where reader.has(key) {
                let source = reader.child(key)
                _ = source.requiredString("name")
                source.accept("defaultValue")
            }
            if reader.has("formatter") { reader.child("formatter").accept("value") }
        }
    }

    package struct Tracing: ObjectDecodable {
        package var location: SourceLocation
        package var providers: [Provider]
        package var side: Side
        package var randomSamplingPercentage: Double?
        package var disableSpanReporting: Bool?

        package init(_ reader: ObjectReader) {
            location = reader.location
            providers = reader.objects("providers")
            side = reader.child("match").choice("mode") ?? .both
            randomSamplingPercentage = reader.double("randomSamplingPercentage", in: 0...100)
            disableSpanReporting = reader.bool("disableSpanReporting")
            _ = reader.objectMap("customTags", CustomTag.self)
            _ = reader.bool("useRequestIdForTraceSampling")
            _ = reader.bool("enableIstioTags")
            _ = reader.bool("disableContextPropagation")
            if providers.count > 1 {
                reader.warning("providers", "multiple providers are not supported: the first is used")
            }
        }
    }

    package var metadata: ObjectMeta
    package var selector: [String: String]?
    package var targets: [PolicyTarget]
    package var metrics: [Metrics]
    package var accessLogging: [AccessLogging]
    package var tracing: [Tracing]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec")
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        targets = PolicyTarget.all(in: spec)
        metrics = spec.objects("metrics")
        accessLogging = spec.objects("accessLogging")
        tracing = spec.objects("tracing")
    }
}
