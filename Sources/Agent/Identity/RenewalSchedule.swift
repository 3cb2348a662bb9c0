/// When a certificate is renewed: at half of its lifetime, give or take one percent, so that proxies that started
/// together do not come back together (Istio's SECRET_GRACE_PERIOD_RATIO and its jitter). Pure.
package enum RenewalSchedule {
    /// - Parameters:
    ///   - notBefore: seconds since 1970, as the other times.
    ///   - jitter: -1...1.
    /// - Returns: how long to wait from `now` on; zero when it is time already.
    package static func wait(notBefore: Int64, notAfter: Int64, now: Int64, jitter: Double) -> Duration {
        let lifetime = Double(max(0, notAfter - notBefore))
        let moment = Double(notBefore) + lifetime * (0.5 + 0.01 * jitter)
        return .milliseconds(Int64(max(0, (moment - Double(now)) * 1000)))
    }
}
