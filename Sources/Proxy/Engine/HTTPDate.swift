/// IMF-fixdate (RFC 9110 section 5.6.7).
enum HTTPDate {
    /// Writes `second` (since 1970, UTC) as `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func write(_ second: UInt64, into text: inout InlineArray<29, UInt8>) {
        let days = Int(second / 86_400)
        let time = Int(second % 86_400)
        // Civil date from day number (Howard Hinnant's algorithm), for years from 1970 on.
        let z = days + 719_468
        let era = z / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let weekdays: StaticString = "ThuFriSatSunMonTueWed"
        let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
        copy(weekdays, 3 * (days % 7), 3, to: 0, &text)
        copy(", ", 0, 2, to: 3, &text)
        digits(day, 2, at: 5, &text)
        text[7] = 0x20
        copy(months, 3 * (month - 1), 3, to: 8, &text)
        text[11] = 0x20
        digits(year, 4, at: 12, &text)
        text[16] = 0x20
        digits(time / 3600, 2, at: 17, &text)
        text[19] = 0x3a
        digits(time / 60 % 60, 2, at: 20, &text)
        text[22] = 0x3a
        digits(time % 60, 2, at: 23, &text)
        copy(" GMT", 0, 4, to: 25, &text)
    }

    private static func copy(
        _ source: StaticString, _ from: Int, _ count: Int, to: Int, _ text: inout InlineArray<29, UInt8>
    ) {
        // SAFETY: callers pass ranges inside the literal.
        for index in 0..<count { text[to + index] = source.utf8Start[from + index] }
    }

    private static func digits(_ number: Int, _ count: Int, at: Int, _ text: inout InlineArray<29, UInt8>) {
        var rest = number
        for index in (0..<count).reversed() {
            text[at + index] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
            rest /= 10
        }
    }
}
