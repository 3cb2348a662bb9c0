/// When a certificate is renewed: at half of its lifetime, give or take one percent, so that proxies that started
/// together do not come back together (Istio's SECRET_GRACE_PERIOD_RATIO and its jitter). Pure.
package enum RenewalSchedule {
    /// - Parameters:
    ///   - notBefore: seconds since 1970, as the other times; fractions count where certificates live for seconds.
    ///   - jitter: -1...1.
    /// - Returns: how long to wait from `now` on; zero when it is time already.
    package static func wait(notBefore: Double, notAfter: Double, now: Double, jitter: Double) -> Duration {
        let lifetime = max(0, notAfter - notBefore)
        let moment = notBefore + lifetime * (0.5 + 0.01 * jitter)
        return .milliseconds(Int64(max(0, (moment - now) * 1000)))
    }
}
