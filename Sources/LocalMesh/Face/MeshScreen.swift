/// What `martlet up` draws on a terminal: the whole screen, as lines.
package struct MeshScreen: Sendable {
    package var width: Int
    package var height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    private enum Style: String {
        case bold = "\u{1B}[1m"
        case dim = "\u{1B}[2m"
        case red = "\u{1B}[31m"
        case green = "\u{1B}[32m"
        case yellow = "\u{1B}[33m"
        static let end = "\u{1B}[0m"
    }

    /// The escape sequence that draws `view` from the top of the screen.
    package func draw(_ view: MeshView) -> String {
        var text = "\u{1B}[H"
        for (line, style) in lines(view).prefix(max(1, height - 1)) {
            let cut = String(line.prefix(width))
            text += style.map { $0.rawValue + cut + Style.end } ?? cut
            text += "\u{1B}[K\r\n"
        }
        return text + "\u{1B}[J"
    }

    private func lines(_ view: MeshView) -> [(String, Style?)] {
        let report = MeshReport(view)
        var lines: [(String, Style?)] = [
            ("Martlet  \(report.headline)", .bold), ("q or Ctrl-C stops everything", .dim), ("", nil),
        ]
        let table = report.services(withRates: true)
        for (index, line) in table.enumerated() { lines.append((line, index == 0 ? .dim : nil)) }
        let unready = view.pods.filter { !$0.ready }
        if !unready.isEmpty {
            lines.append(("", nil))
            for pod in unready.prefix(max(3, height / 3)) {
                let step = Self.progress(pod)
                lines.append(
                    ("  \(step.bar) \(pod.namespace)/\(pod.name)  \(step.text)", pod.message == nil ? nil : .yellow))
            }
            if unready.count > max(3, height / 3) {
                lines.append(("  and \(unready.count - max(3, height / 3)) more", .dim))
            }
        }
        let problems = report.problems()
        if !problems.isEmpty {
            lines.append(("", nil))
            for problem in problems.prefix(6) {
                lines.append((problem, problem.contains("warning: ") ? .yellow : .red))
            }
        }
        let room = height - lines.count - 3
        if room > 1 {
            lines.append(("", nil))
            for event in view.events.suffix(room) { lines.append((event.text, event.isError ? .yellow : .dim)) }
        }
        return lines
    }

    /// How far a pod has come on its way to being ready.
    package static func progress(_ pod: PodStatus) -> (bar: String, text: String) {
        let (done, text): (Int, String)
        switch pod.phase {
        case .pending: (done, text) = (0, "waiting")
        case .network: (done, text) = (1, "making its network")
        case .proxy: (done, text) = (2, "starting its proxy")
        case .initializing: (done, text) = (3, "running init containers")
        case .starting: (done, text) = (3, "starting")
        case .running: (done, text) = (4, "waiting until it is ready")
        case .crashing: (done, text) = (3, "waiting to start again")
        case .completed: (done, text) = (5, "completed")
        case .failed: (done, text) = (0, "failed")
        case .terminating: (done, text) = (0, "stopping")
        }
        let bar = String(repeating: "#", count: done) + String(repeating: ".", count: 5 - done)
        return ("[\(bar)]", pod.message.map { "\(text): \($0)" } ?? text)
    }
}
