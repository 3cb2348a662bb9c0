import FoundationEssentials
package import Identity
import TLS
package import XDS

/// Keeps the workload's certificate: a key made here that never leaves the process, a request to the authority with the
/// one-time token, renewal at half of the lifetime, retries with back-off. What it holds is offered as the secrets
/// `default` and `ROOTCA`.
package actor WorkloadIdentity {
    package typealias Secret = Envoy_Extensions_TransportSockets_Tls_V3_Secret

    package static let certificateName = "default"
    package static let rootName = "ROOTCA"

    /// Signs a request; returns the chain (leaf first, root last, PEM) and the token for the next time.
    package typealias Sign =
        @Sendable (_ csr: String, _ token: String) async throws -> (chain: [String], nextToken: String?)

    private let identity: SPIFFEID
    private let sign: Sign
    private let tokensPath: String?
    private var tokens: WorkloadTokens
    private let onChange: @Sendable ([Secret]) async -> Void
    /// What was asked for and not answered yet: an authority whose answer was lost gives it again, for the same key only.
    private var pending: SigningRequest?

    /// - Parameter tokensPath: where the next token is kept for a restarted proxy.
    package init(
        identity: SPIFFEID,
        tokens: WorkloadTokens,
        tokensPath: String?,
        sign: @escaping Sign,
        onChange: @escaping @Sendable ([Secret]) async -> Void
    ) {
        self.identity = identity
        self.tokens = tokens
        self.tokensPath = tokensPath
        self.sign = sign
        self.onChange = onChange
    }

    /// Gets and renews the certificate until the task is cancelled.
    package func run() async {
        var backoff = Backoff(base: .milliseconds(200), limit: .seconds(15))
        while !Task.isCancelled {
            do {
                let lifetime = try await renew()
                backoff.reset()
                let wait = RenewalSchedule.wait(
                    notBefore: lifetime.from, notAfter: lifetime.until, now: Self.now, jitter: .random(in: -1...1))
                // A certificate that is already half over when it arrives must not make us ask in a tight loop.
                try? await Task.sleep(for: max(wait, .milliseconds(500)))
            } catch {
                let wait = backoff.next()
                Log.warning("identity", "no certificate for \(identity): \(error); next attempt in \(wait)")
                // Another process may have been given a fresh token file meanwhile (a restarted local mesh does that).
                if let path = tokensPath, let fresh = try? WorkloadTokens.load(path: path) { tokens = fresh }
                try? await Task.sleep(for: wait)
            }
        }
    }

    /// Seconds since 1970.
    private static var now: Double { Date().timeIntervalSince1970 }

    private func renew() async throws -> (from: Double, until: Double) {
        let request = try pending ?? SigningRequest(identity: identity)
        pending = request
        let (chain, next) = try await sign(request.requestPEM, tokens.ca)
        pending = nil
        if let next {
            tokens.ca = next
            if let path = tokensPath {
                do { try tokens.save(path: path) } catch {
                    Log.warning("identity", "\(path): the next token is not saved: \(error)")
                }
            }
        }
        guard let root = chain.last, chain.count >= 2 else {
            throw IdentityError.malformedRequest(
                "the authority sent \(chain.count) certificates; a leaf and a root are wanted")
        }
        let presented = chain.dropLast().joined(separator: "\n")
        // Making a context checks that the leaf parses and belongs to the key, before anything uses it.
        var probe = TLSConfiguration(role: .server)
        probe.certificateChain = .pem(presented)
        probe.privateKey = .pem(request.privateKeyPEM)
        probe.trustAnchors = [.pem(root)]
        guard let leaf = try TLSContext(probe).certificate else { throw IdentityError.expired }
        let now = Self.now
        Log.info(
            "identity",
            "certificate for \(identity): serial \(leaf.serialNumber), valid for \(max(0, leaf.notAfter - Int64(now))) s"
        )
        await onChange(Self.secrets(chain: presented, key: request.privateKeyPEM, roots: root))
        // Authorities date certificates back a little for clocks that are slow; the lifetime that counts begins now.
        return (max(Double(leaf.notBefore), now), Double(leaf.notAfter))
    }

    private static func secrets(chain: String, key: String, roots: String) -> [Secret] {
        var certificate = Secret()
        certificate.name = certificateName
        certificate.tlsCertificate.certificateChain.inlineBytes = .init(chain.utf8)
        certificate.tlsCertificate.privateKey.inlineBytes = .init(key.utf8)
        var trust = Secret()
        trust.name = rootName
        trust.validationContext.trustedCa.inlineBytes = .init(roots.utf8)
        return [certificate, trust]
    }
}
