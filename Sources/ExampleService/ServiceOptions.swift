/// Everything that an example service is told at its start.
package struct ServiceOptions: Sendable {
    package var name = "example"
    package var version = "v1"
    /// Pod or host name, shown in answers.
    package var instance = ""
    package var address = "0.0.0.0"
    package var port = 8080
    package var behaviour = Behaviour()
    package var upstreams: [UpstreamRule] = []
    package var upstreamTimeout: Duration = .seconds(15)
    /// An upstream's failure is shown in the answer, and the answer is 200 all the same.
    package var toleratesUpstreamErrors = false
    /// Lower-case names of headers that are passed on besides the tracing headers.
    package var propagatedHeaders: [String] = []
    /// How long open requests may take after SIGTERM.
    package var grace: Duration = .seconds(5)
    package var threads = 1

    package init() {}

    /// Options as the environment gives them: SERVICE_NAME, SERVICE_VERSION, PORT, POD_NAME or HOSTNAME, UPSTREAMS (comma or
    /// space separated) and the knobs of `Behaviour`.
    package init(environment: [String: String]) throws(ServiceError) {
        func value(_ name: String) -> String? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            return text
        }
        name = value("SERVICE_NAME") ?? name
        version = value("SERVICE_VERSION") ?? version
        instance = value("POD_NAME") ?? value("HOSTNAME") ?? ""
        if let text = value("PORT") {
            guard let number = Int(text), (0...65535).contains(number) else {
                throw .invalid("PORT \"\(text)\" is not a port")
            }
            port = number
        }
        for text in (value("UPSTREAMS") ?? "").split(whereSeparator: { $0 == "," || $0 == " " }) {
            upstreams.append(try UpstreamRule(text: String(text)))
        }
        try behaviour.apply(environment: environment)
    }
}
