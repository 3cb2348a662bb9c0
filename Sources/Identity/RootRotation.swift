package import FoundationEssentials
import Glibc
import SwiftASN1
import X509

/// Replaces the mesh's own root without a moment in which two workloads do not believe each other.
///
/// Three steps, each longer than workloads take to renew:
/// 1. `next-root.pem` stands beside the root: workloads learn to trust it, everything is still signed by the old one.
/// 2. It becomes `root.pem` and signs; the old one stays trusted as `retired-root.pem`.
/// 3. The old one is forgotten.
/// The step is in the files alone, so that a control plane which is restarted goes on where it was.
package struct RootRotation {
    private let folder: String

    package init(folder: String) { self.folder = folder }

    package enum Step: String, Sendable {
        case none, announced, signing
    }

    package var step: Step {
        if exists("next-root.pem") { return .announced }
        return exists("retired-root.pem") ? .signing : .none
    }

    /// Tells, for every process that looks at the folder, how long the longest certificate lives, in seconds.
    package func note(certificateLifetime: TimeInterval) throws {
        try PrivateFile.write("\(certificateLifetime)\n", to: folder + "/certificate-lifetime")
    }

    /// The shortest step during which all workloads renew: the life of a certificate, and a moment in which the files are
    /// noticed and an answer is on its way.
    package var shortestStep: TimeInterval { (seconds("certificate-lifetime") ?? 86400) + 5 }

    /// Begins a rotation.
    /// - Parameter step: seconds that each step lasts; nil is as short as may be.
    /// - Returns: how long each step lasts.
    /// - Throws: when one is under way, the step is too short, or the authority is a user's own.
    @discardableResult
    package func begin(step: TimeInterval? = nil, now: Date) throws -> TimeInterval {
        let shortest = shortestStep
        let length = step ?? shortest
        guard length >= shortest else {
            throw IdentityError.file(
                path: folder,
                reason:
                    "a step of \(Int(length)) s is too short: certificates live \(Int(shortest - 5)) s, and those that were"
                    + " issued before a step must have ended after it; \(Int(shortest)) s is the least")
        }
        guard !exists("ca-cert.pem") else {
            throw IdentityError.file(
                path: folder + "/ca-cert.pem",
                reason:
                    "is your own authority: put both roots into root-cert.pem, then replace ca-cert.pem and ca-key.pem")
        }
        guard exists("root.pem") else {
            throw IdentityError.file(
                path: folder + "/root.pem", reason: "there is no authority yet: start the mesh first")
        }
        guard self.step == .none else {
            throw IdentityError.file(path: folder, reason: "a rotation is under way (\(self.step.rawValue))")
        }
        try PrivateFile.write("\(length)\n", to: folder + "/rotation-step-seconds")
        try CertificateAuthority.makeRoot(folder: folder, name: "next-root", now: now)
        return length
    }

    /// Goes to the next step when it is time. A root in its last fifth begins a rotation by itself.
    func advance(now: Date) throws {
        switch step {
        case .none:
            guard let root = try? Certificate(pemEncoded: PrivateFile.read(folder + "/root.pem")) else { return }
            let lifetime = root.notValidAfter.timeIntervalSince(root.notValidBefore)
            guard root.notValidAfter.timeIntervalSince(now) < lifetime / 5 else { return }
            try begin(now: now)
        case .announced:
            guard let age = age("next-root.pem", now), age > stepSeconds else { return }
            try PrivateFile.write(PrivateFile.read(folder + "/root.pem"), to: folder + "/retired-root.pem")
            // The key goes first: a root without its key would be made anew.
            try move("next-root-key.pem", "root-key.pem")
            try move("next-root.pem", "root.pem")
            unlink(folder + "/intermediate.pem")
        case .signing:
            guard let age = age("retired-root.pem", now), age > stepSeconds else { return }
            unlink(folder + "/retired-root.pem")
            unlink(folder + "/rotation-step-seconds")
        }
    }

    /// A control plane may have been started again with longer certificates meanwhile.
    private var stepSeconds: TimeInterval { max(seconds("rotation-step-seconds") ?? 0, shortestStep) }

    private func seconds(_ name: String) -> TimeInterval? {
        (try? PrivateFile.read("\(folder)/\(name)")).flatMap { TimeInterval($0.prefix { $0 != "\n" }) }
    }

    private func exists(_ name: String) -> Bool { access("\(folder)/\(name)", F_OK) == 0 }

    /// Seconds since the file was written.
    private func age(_ name: String, _ now: Date) -> TimeInterval? {
        var status = stat()
        guard stat("\(folder)/\(name)", &status) == 0 else { return nil }
        return now.timeIntervalSince1970 - TimeInterval(status.st_mtim.tv_sec)
    }

    /// What is not there was moved before a crash.
    private func move(_ from: String, _ to: String) throws(IdentityError) {
        guard exists(from) else { return }
        guard rename("\(folder)/\(from)", "\(folder)/\(to)") == 0 else {
            throw .file(path: "\(folder)/\(to)", reason: String(cString: strerror(errno)))
        }
    }
}

extension UInt8 {
    /// Two hexadecimal digits.
    var hexadecimal: String { (self < 16 ? "0" : "") + String(self, radix: 16) }
}
