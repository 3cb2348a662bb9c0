import Glibc
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization
import TLS

/// TLS at the control plane's TCP door. A client certificate is optional (a proxy may prove itself by its token) and
/// verified when there is one; plaintext, foreign certificates and clients that only wait are turned away, and the log says
/// who and why.
package final class SecureDoor: Sendable {
    /// What the door shows, and whom it believes.
    package struct Certificate: Sendable {
        /// PEM, leaf first, without the root.
        package var chain: [String]
        /// PEM.
        package var privateKey: String
        /// PEM: the anchors of clients' certificates, with the revocation lists that count.
        package var trustAnchors: [String]

        package init(chain: [String], privateKey: String, trustAnchors: [String]) {
            self.chain = chain
            self.privateKey = privateKey
            self.trustAnchors = trustAnchors
        }
    }

    private struct Material: Sendable {
        var context: NIOSSLContext
        var clients: ChainVerifier
    }

    private let material: Mutex<Material>
    private let log: DoorLog
    private let patience: TimeAmount

    /// - Parameters:
    ///   - patience: how long a handshake may take.
    /// - Throws: when the certificate, its key or the anchors are unusable.
    package init(
        _ certificate: Certificate, patience: Duration = .seconds(10), log: @escaping @Sendable (String) -> Void
    ) throws {
        material = Mutex(try Self.material(certificate))
        self.log = DoorLog(log)
        self.patience = .nanoseconds(Int64(patience / .nanoseconds(1)))
    }

    /// Connections from now on see this certificate; those that are open go on.
    package func use(_ certificate: Certificate) throws {
        let fresh = try Self.material(certificate)
        material.withLock { $0 = fresh }
    }

    private static func material(_ certificate: Certificate) throws -> Material {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.chain.joined(separator: "\n").utf8))
        var settings = NIOSSL.TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.privateKey.utf8), format: .pem)))
        settings.minimumTLSVersion = .tlsv12
        settings.applicationProtocols = ["h2"]
        settings.certificateVerification = .optionalVerification
        let anchors = certificate.trustAnchors.joined(separator: "\n")
        return Material(
            context: try NIOSSLContext(configuration: settings),
            clients: try ChainVerifier(trustAnchors: [.pem(anchors)], peerIs: .client))
    }

    /// Puts TLS in front of everything else that the connection has.
    func install(on channel: any Channel) -> EventLoopFuture<Void> {
        let material = material.withLock { $0 }
        let peer = channel.remoteAddress.map(Self.text) ?? "someone"
        let (log, patience) = (log, patience)
        return channel.eventLoop.makeCompletedFuture {
            let tls = NIOSSLServerHandler(
                context: material.context,
                customVerificationCallback: { certificates, verdict in
                    let chain = certificates.compactMap { try? $0.toDERBytes() }
                    switch material.clients.verify(chain, now: Int64(time(nil))) {
                    case .success: verdict.succeed(.certificateVerified)
                    case .failure(let refusal):
                        log.write("refused \(peer): \(refusal)")
                        verdict.succeed(.failed)
                    }
                })
            let handlers: [any ChannelHandler] = [
                PlaintextGuard(peer: peer, log: log), tls, HandshakeWatch(peer: peer, patience: patience, log: log),
            ]
            try channel.pipeline.syncOperations.addHandlers(handlers, position: .first)
        }
    }

    private static func text(_ address: SocketAddress) -> String {
        "\(address.ipAddress ?? "?"):\(address.port ?? 0)"
    }
}

/// Looks at the first byte: every TLS connection begins with a handshake record (RFC 8446 section 5.1).
private final class PlaintextGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State { case waiting, passing, refusing }

    private let peer: String
    private let log: DoorLog
    private var state = State.waiting

    init(peer: String, log: DoorLog) {
        self.peer = peer
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if state == .waiting, let first = unwrapInboundIn(data).readableBytesView.first {
            state = first == 0x16 ? .passing : .refusing
            if state == .refusing {
                log.write(
                    "refused \(peer): it speaks plaintext, and this door speaks TLS only (martlet bootstrap writes how)"
                )
                context.close(promise: nil)
            }
        }
        if state != .refusing { context.fireChannelRead(data) }
    }
}

/// Ends connections whose handshake fails or takes too long.
private final class HandshakeWatch: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let peer: String
    private let patience: TimeAmount
    private let log: DoorLog
    private var deadline: Scheduled<Void>?
    private var isDone = false

    init(peer: String, patience: TimeAmount, log: DoorLog) {
        self.peer = peer
        self.patience = patience
        self.log = log
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        let (log, peer, patience) = (log, peer, patience)
        deadline = context.eventLoop.scheduleTask(in: patience) {
            log.write("refused \(peer): no TLS handshake within \(patience.nanoseconds / 1_000_000_000) s")
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            isDone = true
            deadline?.cancel()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isDone {
            isDone = true
            deadline?.cancel()
            log.write("refused \(peer): the TLS handshake failed: \(error)")
            context.close(promise: nil)
        }
        context.fireErrorCaught(error)
    }
}

/// Lines about strangers, a bounded number of them: whoever can reach the port could fill the disk otherwise.
private final class DoorLog: Sendable {
    private struct Window {
        var start: Int
        var lines = 0
    }

    private static let most = 30
    private static let seconds = 10
    private let window: Mutex<Window>
    private let sink: @Sendable (String) -> Void

    init(_ sink: @escaping @Sendable (String) -> Void) {
        self.sink = sink
        window = Mutex(Window(start: time(nil)))
    }

    func write(_ text: String) {
        let now = time(nil)
        let (isWritten, hidden) = window.withLock { window -> (Bool, Int) in
            var hidden = 0
            if now - window.start >= Self.seconds {
                hidden = max(0, window.lines - Self.most)
                window = Window(start: now)
            }
            window.lines += 1
            return (window.lines <= Self.most, hidden)
        }
        if hidden > 0 { sink("TCP door: \(hidden) more refusals like these") }
        if isWritten { sink("TCP door: \(text)") }
    }
}
