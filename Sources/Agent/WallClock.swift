import Glibc

/// Seconds since 1970.
func wallClockSeconds() -> Int64 { Int64(time(nil)) }
