internal import Memory

/// A compiled format of `%START_TIME(FORMAT)%`: strftime's conversions that do not depend on a locale, in UTC, and Envoy's
/// fractions of a second (`%3f`, `%E3S`).
struct TimeFormat: Sendable {
    enum Piece: Sendable {
        case literal(UInt8)
        case year, month, day, hour, minute, second, dayOfYear, weekday, monthName, dayPadded, zone, zoneName
        case epochSeconds
        /// This many digits of the fraction of a second.
        case fraction(Int)
    }

    let pieces: [Piece]

    /// - Parameter isJSON: the text goes into a JSON string: literals are escaped.
    init(_ format: String, isJSON: Bool) throws(AccessLogFormatError) {
        var pieces: [Piece] = []
        var rest = Array(format.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                let text = isJSON ? Array(JSONText.escaped(String(UnicodeScalar(byte))).utf8) : [byte]
                pieces += byte < 0x80 ? text.map { .literal($0) } : [.literal(byte)]
                continue
            }
            pieces += try Self.conversion(&rest, in: format)
        }
        self.pieces = pieces
    }

    private static func conversion(
        _ rest: inout ArraySlice<UInt8>, in format: String
    ) throws(AccessLogFormatError) -> [Piece] {
        let colon = Piece.literal(UInt8(ascii: ":"))
        let dash = Piece.literal(UInt8(ascii: "-"))
        let letter = rest.popFirst() ?? 0
        switch letter {
        case UInt8(ascii: "%"): return [.literal(letter)]
        case UInt8(ascii: "Y"): return [.year]
        case UInt8(ascii: "m"): return [.month]
        case UInt8(ascii: "d"): return [.day]
        case UInt8(ascii: "e"): return [.dayPadded]
        case UInt8(ascii: "H"): return [.hour]
        case UInt8(ascii: "M"): return [.minute]
        case UInt8(ascii: "S"): return [.second]
        case UInt8(ascii: "j"): return [.dayOfYear]
        case UInt8(ascii: "a"): return [.weekday]
        case UInt8(ascii: "b"), UInt8(ascii: "h"): return [.monthName]
        case UInt8(ascii: "z"): return [.zone]
        case UInt8(ascii: "Z"): return [.zoneName]
        case UInt8(ascii: "s"): return [.epochSeconds]
        case UInt8(ascii: "f"): return [.fraction(9)]
        case UInt8(ascii: "F"): return [.year, dash, .month, dash, .day]
        case UInt8(ascii: "T"): return [.hour, colon, .minute, colon, .second]
        case UInt8(ascii: "R"): return [.hour, colon, .minute]
        case UInt8(ascii: "1")...UInt8(ascii: "9"):
            if rest.popFirst() == UInt8(ascii: "f") { return [.fraction(Int(letter - UInt8(ascii: "0")))] }
        case UInt8(ascii: "E"):
            let digits = rest.popFirst() ?? 0
            if digits == UInt8(ascii: "z") { return [.zone] }
            if digits &- 0x31 < 9, rest.popFirst() == UInt8(ascii: "S") {
                return [.second, .literal(UInt8(ascii: ".")), .fraction(Int(digits - UInt8(ascii: "0")))]
            }
        default: break
        }
        throw AccessLogFormatError(message: "%START_TIME(\(format))%: an unknown time conversion stands behind a %")
    }

    /// Appends the time `microseconds` after 1970.
    func write(_ microseconds: UInt64, to output: inout ByteBuffer) {
        let time = CivilTime(microseconds: microseconds)
        let pieces = pieces.span
        for index in pieces.indices {
            switch pieces[index] {
            case .literal(let byte): output.append(byte)
            case .year: output.append(padded: time.year, 4)
            case .month: output.append(padded: time.month, 2)
            case .day: output.append(padded: time.day, 2)
            case .dayPadded:
                if time.day < 10 { output.append(0x20) }
                output.append(decimal: time.day)
            case .hour: output.append(padded: time.hour, 2)
            case .minute: output.append(padded: time.minute, 2)
            case .second: output.append(padded: time.second, 2)
            case .dayOfYear: output.append(padded: time.dayOfYear, 3)
            case .weekday: output.append(time.weekdayName)
            case .monthName: output.append(time.monthName)
            case .zone: output.append("+0000")
            case .zoneName: output.append("UTC")
            case .epochSeconds: output.append(decimal: Int(microseconds / 1_000_000))
            case .fraction(let digits):
                output.append(padded: time.microsecond, 6)
                if digits < 6 { output.truncate(to: output.end - (6 - digits)) }
                for _ in 6..<max(6, digits) { output.append(0x30) }
            }
        }
    }

    /// Appends Envoy's default, `2026-01-31T23:59:59.123Z`.
    static func writeDefault(_ microseconds: UInt64, to output: inout ByteBuffer) {
        let time = CivilTime(microseconds: microseconds)
        output.append(padded: time.year, 4)
        output.append(0x2D)
        output.append(padded: time.month, 2)
        output.append(0x2D)
        output.append(padded: time.day, 2)
        output.append(0x54)
        output.append(padded: time.hour, 2)
        output.append(0x3A)
        output.append(padded: time.minute, 2)
        output.append(0x3A)
        output.append(padded: time.second, 2)
        output.append(0x2E)
        output.append(padded: time.microsecond / 1000, 3)
        output.append(0x5A)
    }
}

/// A moment in UTC, taken apart (proleptic Gregorian calendar).
struct CivilTime {
    let year: Int
    let month: Int
    let day: Int
    let hour: Int
    let minute: Int
    let second: Int
    let microsecond: Int
    /// 0 is Sunday.
    let weekday: Int

    init(microseconds: UInt64) {
        let seconds = Int(microseconds / 1_000_000)
        microsecond = Int(microseconds % 1_000_000)
        let days = seconds / 86_400
        let rest = seconds % 86_400
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
        weekday = (days + 4) % 7
        // Days counted from 1 March of year 0, in eras of 400 years, so that the leap day is a year's last.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var dayOfYear: Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let before = (275 * month / 9) - (month > 2 ? (isLeap ? 1 : 2) : 0) - 30
        return before + day
    }

    var weekdayName: StaticString {
        switch weekday {
        case 0: "Sun"
        case 1: "Mon"
        case 2: "Tue"
        case 3: "Wed"
        case 4: "Thu"
        case 5: "Fri"
        default: "Sat"
        }
    }

    var monthName: StaticString {
        switch month {
        case 1: "Jan"
        case 2: "Feb"
        case 3: "Mar"
        case 4: "Apr"
        case 5: "May"
        case 6: "Jun"
        case 7: "Jul"
        case 8: "Aug"
        case 9: "Sep"
        case 10: "Oct"
        case 11: "Nov"
        default: "Dec"
        }
    }
}

extension ByteBuffer {
    /// Appends a non-negative number with leading zeros to at least `width` digits.
    @inline(__always)
    mutating func append(padded number: Int, _ width: Int) {
        var bound = 1
        for _ in 1..<width { bound &*= 10 }
        while bound > 1, number < bound {
            append(0x30)
            bound /= 10
        }
        append(decimal: number)
    }
}
