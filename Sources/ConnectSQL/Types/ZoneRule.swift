/// The rule of a zone for all times after its last listed change, as POSIX writes it: `JST-9`,
/// `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneRule: Sendable, Hashable {
    /// A day of the year and a second of it at which the clock changes.
    private struct Change: Hashable {
        var month: Int
        var week: Int
        var weekday: Int
        var second: Int

        /// Seconds since the epoch in local time of the year's change.
        func local(year: Int) -> Int64 {
            let first = CivilTime.days(year: year, month: month, day: 1)
            // 1970-01-01 was a Thursday.
            let weekdayOfFirst = ((first + 4) % 7 + 7) % 7
            var day = first + (weekday - weekdayOfFirst + 7) % 7 + (week - 1) * 7
            let next =
                month == 12
                ? CivilTime.days(year: year + 1, month: 1, day: 1)
                : CivilTime.days(year: year, month: month + 1, day: 1)
            while day >= next { day -= 7 }
            return Int64(day) * 86_400 + Int64(second)
        }
    }

    private let standard: Int
    private let summer: Int?
    private var begin: Change?
    private var end: Change?

    /// - Returns: nil for a text that is no rule of these forms.
    init?(_ text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard let zone = parts.first, !zone.isEmpty else { return nil }
        var rest = zone
        guard Self.name(&rest), let standard = Self.time(&rest) else { return nil }
        self.standard = -standard
        guard !rest.isEmpty else {
            summer = nil
            return
        }
        guard Self.name(&rest), parts.count == 3, let begin = Self.change(parts[1]), let end = Self.change(parts[2])
        else { return nil }
        summer = rest.isEmpty ? self.standard + 3_600 : Self.time(&rest).map { -$0 }
        self.begin = begin
        self.end = end
    }

    /// Seconds to add to UTC at an instant.
    func offset(at seconds: Int64) -> Int {
        guard let summer, let begin, let end else { return standard }
        let days = CivilTime.split(milliseconds: (seconds + Int64(standard)) * 1_000).days
        let year = CivilTime.date(days: days).year
        let start = begin.local(year: year) - Int64(standard)
        let stop = end.local(year: year) - Int64(summer)
        let isSummer = start < stop ? start <= seconds && seconds < stop : seconds < stop || start <= seconds
        return isSummer ? summer : standard
    }

    /// Takes a zone's short name: letters, or anything between angle brackets.
    private static func name(_ text: inout Substring) -> Bool {
        if text.first == "<" {
            guard let end = text.firstIndex(of: ">") else { return false }
            text = text[text.index(after: end)...]
            return true
        }
        let rest = text.drop { $0.isLetter }
        defer { text = rest }
        return rest.startIndex > text.startIndex
    }

    /// Takes `[+-]h[h][:mm[:ss]]` as seconds.
    private static func time(_ text: inout Substring) -> Int? {
        var sign = 1
        if let first = text.first, first == "-" || first == "+" {
            sign = first == "-" ? -1 : 1
            text = text.dropFirst()
        }
        let digits = text.prefix { $0.isNumber || $0 == ":" }
        text = text[digits.endIndex...]
        let numbers = digits.split(separator: ":").map { Int($0) ?? -1 }
        guard !numbers.isEmpty, numbers.count <= 3, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        return sign * zip(numbers, [3_600, 60, 1]).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// Reads `Mm.w.d[/time]`.
    private static func change(_ text: Substring) -> Change? {
        let parts = text.split(separator: "/", maxSplits: 1)
        guard let day = parts.first, day.first == "M" else { return nil }
        let numbers = day.dropFirst().split(separator: ".").compactMap { Int($0) }
        guard numbers.count == 3, (1...12).contains(numbers[0]), (1...5).contains(numbers[1]),
            (0...6).contains(numbers[2])
        else { return nil }
        var change = Change(month: numbers[0], week: numbers[1], weekday: numbers[2], second: 7_200)
        if parts.count > 1 {
            var rest = parts[1]
            guard let second = time(&rest) else { return nil }
            change.second = second
        }
        return change
    }
}
