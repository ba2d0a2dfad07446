#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The times that `consumer-groups --reset-offsets` takes, in milliseconds since 1970.
enum ResetTime {
    /// Reads `2026-11-22T14:30:00.000`, with `Z` or `+01:00` behind it or in UTC; seconds and fraction may be left out.
    static func datetime(_ text: String) -> Int64? {
        var rest = Substring(text)
        func number(_ digits: Int) -> Int64? {
            let part = rest.prefix(digits)
            guard part.count == digits, part.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            rest = rest.dropFirst(digits)
            return Int64(part)
        }
        func take(_ character: Character) -> Bool {
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), take("-"), let month = number(2), take("-"), let day = number(2), take("T"),
            let hour = number(2), take(":"), let minute = number(2), (1...12).contains(month),
            (1...daysOf(month, year)).contains(day), hour < 24, minute < 60
        else { return nil }
        var milliseconds: Int64 = 0
        if take(":") {
            guard let second = number(2), second < 60 else { return nil }
            milliseconds = second * 1000
            if take(".") {
                let fraction = rest.prefix { $0.isASCII && $0.isNumber }
                guard !fraction.isEmpty, fraction.count <= 9 else { return nil }
                rest = rest.dropFirst(fraction.count)
                milliseconds += Int64((fraction + "00").prefix(3)) ?? 0
            }
        }
        var zone: Int64 = 0
        if !take("Z"), let sign = rest.first, sign == "+" || sign == "-" {
            rest = rest.dropFirst()
            guard let hours = number(2), hours < 19 else { return nil }
            _ = take(":")
            guard let minutes = rest.isEmpty ? 0 : number(2), minutes < 60 else { return nil }
            zone = (hours * 60 + minutes) * (sign == "+" ? 1 : -1)
        }
        guard rest.isEmpty else { return nil }
        let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - zone
        return minutes * 60_000 + milliseconds
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func daysOf(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 of the Gregorian calendar.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let before = year - 1
        let untilYear = before * 365 + before / 4 - before / 100 + before / 400
        let untilMonth = (1..<month).reduce(0) { $0 + daysOf($1, year) }
        return untilYear + untilMonth + day - 1 - 719_162
    }
}
