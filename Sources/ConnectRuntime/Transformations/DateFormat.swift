import ConnectAPI
import KafkaProtocol

/// Java's `SimpleDateFormat` in UTC and English, as far as timestamps need it: the letters `y M d H k K h m s S a E D
/// z Z X`, texts in single quotes, and `''` for a quote.
///
/// As in Java, `S` is a number of milliseconds whatever its width, a numeric field reads all digits there are unless
/// another numeric field follows at once, and text after the end is ignored. Unlike Java, fields out of their range
/// (month 13, 123456 milliseconds) are an error and do not roll over into the next one.
struct DateFormat: Sendable {
    private enum Element: Sendable {
        case literal(String)
        case field(Character, Int)

        var isNumeric: Bool {
            switch self {
            case .literal: false
            case .field("M", let width): width < 3
            case .field(let letter, _): "ydHkKhmsSD".contains(letter)
            }
        }
    }

    private static let letters: Set<Character> = Set("yMdHkKhmsSaEDzZX")
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let weekdays = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"]

    /// The pattern as given.
    let pattern: String
    private let elements: [Element]

    /// - Throws: a config error for a letter without meaning here, or a quote that is not closed.
    init(_ pattern: String) throws(ConnectError) {
        self.pattern = pattern
        var elements: [Element] = []
        var literal = ""
        var rest = Array(pattern)[...]
        while let character = rest.first {
            if character == "'" {
                literal += try Self.quoted(&rest, pattern)
            } else if character.isASCII, character.isLetter {
                let width = rest.prefix { $0 == character }.count
                guard Self.letters.contains(character) else {
                    throw .config(
                        "The pattern \(pattern) has the letter \(character), which is not supported; "
                            + "supported are y M d H k K h m s S a E D z Z X and texts in single quotes")
                }
                if !literal.isEmpty { elements.append(.literal(literal)) }
                literal = ""
                elements.append(.field(character, width))
                rest = rest.dropFirst(width)
            } else {
                literal.append(character)
                rest = rest.dropFirst()
            }
        }
        if !literal.isEmpty { elements.append(.literal(literal)) }
        self.elements = elements
    }

    private static func quoted(_ rest: inout ArraySlice<Character>, _ pattern: String) throws(ConnectError) -> String {
        rest = rest.dropFirst()
        if rest.first == "'" {
            rest = rest.dropFirst()
            return "'"
        }
        var text = ""
        while let character = rest.popFirst() {
            if character != "'" {
                text.append(character)
            } else if rest.first == "'" {
                text.append("'")
                rest = rest.dropFirst()
            } else {
                return text
            }
        }
        throw .config("The pattern \(pattern) has a quote that is not closed")
    }
}

// MARK: - Writing

extension DateFormat {
    /// The text of a time, given in milliseconds since 1970-01-01T00:00:00Z.
    func text(millis: Int64) -> String {
        let moment = CalendarMoment(millis: millis)
        var result = ""
        for element in elements {
            switch element {
            case .literal(let text): result += text
            case .field(let letter, let width): result += Self.text(letter, width, moment)
            }
        }
        return result
    }

    private static func text(_ letter: Character, _ width: Int, _ moment: CalendarMoment) -> String {
        switch letter {
        case "y": return width == 2 ? padded(moment.year % 100, 2) : padded(moment.year, width)
        case "M" where width >= 3:
            let name = months[moment.month - 1]
            return width == 3 ? String(name.prefix(3)) : name
        case "M": return padded(moment.month, width)
        case "d": return padded(moment.day, width)
        case "D": return padded(moment.dayOfYear, width)
        case "H": return padded(moment.hour, width)
        case "k": return padded(moment.hour == 0 ? 24 : moment.hour, width)
        case "K": return padded(moment.hour % 12, width)
        case "h": return padded(moment.hour % 12 == 0 ? 12 : moment.hour % 12, width)
        case "m": return padded(moment.minute, width)
        case "s": return padded(moment.second, width)
        case "S": return padded(moment.millisecond, width)
        case "a": return moment.hour < 12 ? "AM" : "PM"
        case "E":
            let name = weekdays[moment.weekday]
            return width <= 3 ? String(name.prefix(3)) : name
        case "Z": return "+0000"
        case "X": return "Z"
        default: return width < 4 ? "UTC" : "Coordinated Universal Time"
        }
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(abs(number))
        return (number < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

// MARK: - Reading

extension DateFormat {
    /// What has been read so far.
    private struct Fields {
        var year: Int?
        var month: Int?
        var day: Int?
        var dayOfYear: Int?
        var hour: Int?
        var halfDayHour: Int?
        var isAfternoon = false
        var minute = 0
        var second = 0
        var millisecond = 0
        var offsetMinutes = 0
    }

    /// The time that a text gives, in milliseconds since 1970-01-01T00:00:00Z; nil if it does not match the pattern.
    /// - Parameter toEnd: whether text after the end is wrong.
    func parse(_ text: String, toEnd: Bool = false) -> Int64? {
        var fields = Fields()
        var rest = Array(text.utf8)[...]
        for (index, element) in elements.enumerated() {
            switch element {
            case .literal(let literal):
                guard rest.starts(with: literal.utf8) else { return nil }
                rest = rest.dropFirst(literal.utf8.count)
            case .field(let letter, let width):
                let isAbutting = index + 1 < elements.count && elements[index + 1].isNumeric
                let isRead =
                    element.isNumeric
                    ? Self.readNumber(letter, width, isAbutting: isAbutting, &rest, &fields)
                    : Self.readName(letter, &rest, &fields)
                guard isRead else { return nil }
            }
        }
        guard !toEnd || rest.isEmpty else { return nil }
        return Self.millis(fields)
    }

    private static func readNumber(
        _ letter: Character, _ width: Int, isAbutting: Bool, _ rest: inout ArraySlice<UInt8>, _ fields: inout Fields
    ) -> Bool {
        let digits = rest.prefix(isAbutting ? width : 18).prefix { (0x30...0x39).contains($0) }
        guard let number = Int(String(decoding: digits, as: UTF8.self)) else { return false }
        rest = rest.dropFirst(digits.count)
        switch letter {
        case "y": fields.year = width <= 2 && digits.count == 2 ? nearby(twoDigits: number) : number
        case "M": fields.month = number
        case "d": fields.day = number
        case "D": fields.dayOfYear = number
        case "H": fields.hour = number
        case "k": fields.hour = number == 24 ? 0 : number
        case "K": fields.halfDayHour = number
        case "h": fields.halfDayHour = number == 12 ? 0 : number
        case "m": fields.minute = number
        case "s": fields.second = number
        default: fields.millisecond = number
        }
        return true
    }

    /// As in Java: from 80 years ago to 20 years ahead.
    private static func nearby(twoDigits: Int) -> Int {
        let first = CalendarMoment(millis: WallClock.now()).year - 80
        let century = first - first % 100 + twoDigits
        return century < first ? century + 100 : century
    }

    private static func readName(
        _ letter: Character, _ rest: inout ArraySlice<UInt8>, _ fields: inout Fields
    ) -> Bool {
        func index(of names: [String]) -> Int? {
            for (index, name) in names.enumerated() {
                for form in [name, String(name.prefix(3))] where hasPrefix(rest, form) {
                    rest = rest.dropFirst(form.utf8.count)
                    return index
                }
            }
            return nil
        }
        switch letter {
        case "M":
            guard let month = index(of: months) else { return false }
            fields.month = month + 1
        case "E": return index(of: weekdays) != nil
        case "a":
            guard hasPrefix(rest, "AM") || hasPrefix(rest, "PM") else { return false }
            fields.isAfternoon = hasPrefix(rest, "PM")
            rest = rest.dropFirst(2)
        default: return readZone(&rest, &fields)
        }
        return true
    }

    private static func hasPrefix(_ bytes: ArraySlice<UInt8>, _ text: String) -> Bool {
        let text = text.lowercased().utf8
        return bytes.count >= text.count && zip(bytes, text).allSatisfy { $0 | 0x20 == $1 }
    }

    private static func readZone(_ rest: inout ArraySlice<UInt8>, _ fields: inout Fields) -> Bool {
        for name in ["UTC", "GMT", "Z"] where hasPrefix(rest, name) {
            rest = rest.dropFirst(name.utf8.count)
            return true
        }
        guard let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return false }
        rest = rest.dropFirst()
        func two() -> Int? {
            guard rest.count >= 2, let number = Int(String(decoding: rest.prefix(2), as: UTF8.self)) else { return nil }
            rest = rest.dropFirst(2)
            return number
        }
        guard let hours = two() else { return false }
        if rest.first == UInt8(ascii: ":") { rest = rest.dropFirst() }
        let minutes = hours * 60 + (two() ?? 0)
        fields.offsetMinutes = sign == UInt8(ascii: "-") ? -minutes : minutes
        return true
    }

    private static func millis(_ fields: Fields) -> Int64? {
        let hour = fields.hour ?? ((fields.halfDayHour ?? 0) + (fields.isAfternoon ? 12 : 0))
        let month = fields.month ?? 1
        let day = fields.day ?? 1
        let year = fields.year ?? 1970
        guard (1...12).contains(month), (0...23).contains(hour), (0...59).contains(fields.minute),
            (0...59).contains(fields.second), (0...999).contains(fields.millisecond), (0...999_999).contains(year),
            (1...CalendarMoment.days(inMonth: month, of: year)).contains(day)
        else { return nil }
        var days = CalendarMoment.days(year: year, month: month, day: day)
        if let dayOfYear = fields.dayOfYear, fields.month == nil {
            guard (1...366).contains(dayOfYear) else { return nil }
            days = CalendarMoment.days(year: year, month: 1, day: 1) + Int64(dayOfYear - 1)
        }
        let seconds = Int64(hour * 3600 + (fields.minute - fields.offsetMinutes) * 60 + fields.second)
        return (days * 86_400 + seconds) * 1000 + Int64(fields.millisecond)
    }
}

/// A time of the proleptic Gregorian calendar in UTC.
struct CalendarMoment {
    let year, month, day, dayOfYear, hour, minute, second, millisecond: Int
    /// 0 is Thursday, the weekday of 1970-01-01.
    let weekday: Int

    init(millis: Int64) {
        let millisOfDay = ((millis % 86_400_000) + 86_400_000) % 86_400_000
        let day = (millis - millisOfDay) / 86_400_000
        hour = Int(millisOfDay / 3_600_000)
        minute = Int(millisOfDay / 60_000 % 60)
        second = Int(millisOfDay / 1000 % 60)
        millisecond = Int(millisOfDay % 1000)
        weekday = Int(((day % 7) + 7) % 7)
        // Howard Hinnant, chrono-compatible low-level date algorithms: civil_from_days.
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayFromMarch = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayFromMarch + 2) / 153
        self.day = Int(dayFromMarch - (153 * monthFromMarch + 2) / 5 + 1)
        month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
        dayOfYear = Int(day - Self.days(year: year, month: 1, day: 1)) + 1
    }

    /// Days since 1970-01-01.
    static func days(year: Int, month: Int, day: Int) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return Int64(era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468)
    }

    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
