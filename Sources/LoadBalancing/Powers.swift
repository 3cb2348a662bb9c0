private import Glibc

/// The real functions that weights need, from the C library.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

func exponential(_ value: Double) -> Double { exp(value) }
