@preconcurrency import Dispatch
import Foundation
import LocalMesh

/// What one sees of a mesh in the foreground: a screen on a terminal, lines elsewhere.
struct MeshFace {
    var host: MeshHost
    var state: StateDirectory
    var draws: Bool

    func run() async throws {
        let wish = EndWish()
        let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { wish.express() }
            source.resume()
            return source
        }
        defer { for source in sources { source.cancel() } }
        let terminal = draws ? TerminalMode() : nil
        if draws { BackgroundThread.start { Self.readKeys(wish) } }
        await show(until: wish)
        terminal?.restore()
        if !host.hasEnded {
            print("stopping the mesh")
            await host.stop(within: .seconds(15))
        }
        try await host.wait()
    }

    private func show(until wish: EndWish) async {
        var seen = 0
        var wasReady = false
        var client: MeshClient?
        while !wish.isExpressed, !host.hasEnded {
            if client == nil { client = MeshClient(state) }
            if let view = try? client?.view(watching: draws) {
                if draws {
                    let size = TerminalMode.size
                    write(MeshScreen(width: size.columns, height: size.rows).draw(view))
                } else {
                    for event in view.events where event.number > seen { print(event.text) }
                    seen = view.events.last?.number ?? seen
                    if view.ready && !wasReady {
                        print(([""] + MeshReport(view).services(withRates: false) + [""]).joined(separator: "\n"))
                    }
                    wasReady = wasReady || view.ready
                    fflush(nil)
                }
            } else {
                client = nil
            }
            let pause = draws ? 10 : 4
            for _ in 0..<pause where !wish.isExpressed && !host.hasEnded {
                try? await Task.sleep(for: .milliseconds(25))
            }
        }
    }

    private func write(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    private static func readKeys(_ wish: EndWish) {
        var byte: UInt8 = 0
        while read(0, &byte, 1) == 1 {
            // q, Ctrl-C and Ctrl-D, which a raw terminal sends as bytes.
            if byte == UInt8(ascii: "q") || byte == 3 || byte == 4 { wish.express() }
        }
    }
}

/// That the user wants to stop.
private final class EndWish: Sendable {
    private let state = MutexBox(false)

    var isExpressed: Bool { state.value }

    func express() { state.set(true) }
}
