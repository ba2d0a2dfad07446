/// Calendar arithmetic of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
/// algorithms"), and the text forms that databases use.
enum CivilTime {
    static let millisecondsPerDay: Int64 = 86_400_000

    /// Days from 1970-01-01 to a date. The month is 1…12; a day past the month's end counts on.
    static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The date that lies `days` after 1970-01-01.
    static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// Splits milliseconds into whole days and the rest, which is never negative.
    static func split(milliseconds: Int64) -> (days: Int, rest: Int64) {
        let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: millisecondsPerDay)
        return remainder < 0 ? (Int(quotient) - 1, remainder + millisecondsPerDay) : (Int(quotient), remainder)
    }

    /// Splits microseconds into whole milliseconds and the rest, which is never negative.
    static func split(microseconds: Int64) -> (milliseconds: Int64, rest: Int64) {
        let milliseconds = floorSeconds(microseconds)
        return (milliseconds, microseconds - milliseconds * 1_000)
    }

    // MARK: text

    /// Appends `2024-02-29`.
    static func appendDate(days: Int, to text: inout [UInt8]) {
        let (year, month, day) = date(days: days)
        if year < 0 { text.append(UInt8(ascii: "-")) }
        append(abs(year), width: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        append(month, width: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        append(day, width: 2, to: &text)
    }

    /// Appends `13:14:15.123`.
    static func appendTime(milliseconds: Int64, to text: inout [UInt8]) {
        let value = Int(milliseconds)
        append(value / 3_600_000, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(value / 60_000 % 60, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(value / 1_000 % 60, width: 2, to: &text)
        text.append(UInt8(ascii: "."))
        append(value % 1_000, width: 3, to: &text)
    }

    /// Appends `2024-02-29 13:14:15.123`.
    static func appendTimestamp(milliseconds: Int64, to text: inout [UInt8]) {
        let (days, rest) = split(milliseconds: milliseconds)
        appendDate(days: days, to: &text)
        text.append(UInt8(ascii: " "))
        appendTime(milliseconds: rest, to: &text)
    }

    /// Appends `2024-02-29 13:14:15.123456`.
    static func appendTimestamp(microseconds: Int64, to text: inout [UInt8]) {
        let (milliseconds, rest) = split(microseconds: microseconds)
        appendTimestamp(milliseconds: milliseconds, to: &text)
        append(Int(rest), width: 3, to: &text)
    }

    private static func append(_ value: Int, width: Int, to text: inout [UInt8]) {
        if width == 2, value < 100 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10))
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10))
            return
        }
        if width == 4 || width == 3, value < 10_000 {
            if width == 4 || value >= 1_000 {
                text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 1_000))
            }
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 100 % 10))
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10 % 10))
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10))
            return
        }
        var digits = 1
        var power = 1
        while digits < width || value / power >= 10 {
            power *= 10
            digits += 1
        }
        while power > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / power % 10))
            power /= 10
        }
    }

    /// Reads `2024-02-29`, `2024-02-29 13:14[:15[.123456]]` or with `T`, and a zone `Z`, `+09:00` or ` UTC` after it.
    /// - Returns: local microseconds and, if the text names one, its offset from UTC in seconds; nil if it is no date.
    static func parseTimestamp(_ text: UnsafeRawBufferPointer) -> (microseconds: Int64, offset: Int?)? {
        var scanner = Scanner(text)
        guard let days = scanner.date() else { return nil }
        var microseconds = Int64(days) * millisecondsPerDay * 1_000
        if scanner.skip(" ") || scanner.skip("T") {
            guard let time = scanner.time() else { return nil }
            microseconds += time
        }
        guard let offset = scanner.zone() else { return scanner.isAtEnd ? (microseconds, nil) : nil }
        return scanner.isAtEnd ? (microseconds, offset) : nil
    }

    /// Reads `13:14[:15[.123456]]`.
    static func parseTime(_ text: UnsafeRawBufferPointer) -> Int64? {
        var scanner = Scanner(text)
        guard let time = scanner.time(), scanner.isAtEnd else { return nil }
        return time / 1_000
    }

    private struct Scanner {
        let bytes: UnsafeRawBufferPointer
        var position = 0

        init(_ bytes: UnsafeRawBufferPointer) {
            self.bytes = bytes
        }

        var isAtEnd: Bool { position == bytes.count }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        mutating func number(_ width: ClosedRange<Int>) -> Int? {
            var value = 0
            let start = position
            while position < bytes.count, position - start < width.upperBound, bytes[position] &- 48 < 10 {
                value = value * 10 + Int(bytes[position] - 48)
                position += 1
            }
            return position - start >= width.lowerBound ? value : nil
        }

        mutating func date() -> Int? {
            guard let year = number(4...4), skip("-"), let month = number(1...2), skip("-"), let day = number(1...2),
                (1...12).contains(month), (1...31).contains(day)
            else { return nil }
            return CivilTime.days(year: year, month: month, day: day)
        }

        /// Microseconds since midnight.
        mutating func time() -> Int64? {
            guard let hour = number(1...2), skip(":"), let minute = number(2...2), hour < 24, minute < 60 else {
                return nil
            }
            var microseconds = Int64(hour * 3_600 + minute * 60) * 1_000_000
            guard skip(":") else { return microseconds }
            guard let second = number(2...2), second < 60 else { return nil }
            microseconds += Int64(second) * 1_000_000
            guard skip(".") else { return microseconds }
            let start = position
            guard let fraction = number(1...9) else { return nil }
            var scaled = fraction
            for _ in (position - start)..<9 { scaled *= 10 }
            return microseconds + Int64(scaled / 1_000)
        }

        mutating func zone() -> Int? {
            if skip("Z") { return 0 }
            let start = position
            if skip(" "), skip("U"), skip("T"), skip("C") { return 0 }
            position = start
            let sign = skip("+") ? 1 : skip("-") ? -1 : 0
            guard sign != 0, let hours = number(2...2) else { return nil }
            _ = skip(":")
            let minutes = number(2...2) ?? 0
            return sign * (hours * 3_600 + minutes * 60)
        }
    }
}
