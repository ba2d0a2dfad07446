import ConnectAPI

/// How timestamps stand in records (`timestamp.granularity`).
enum TimestampGranularity: String, Sendable, Hashable {
    case connectLogical = "connect_logical"
    case microsLong = "micros_long"
    case microsString = "micros_string"
    case microsISO = "micros_iso_datetime_string"
    case nanosLong = "nanos_long"
    case nanosString = "nanos_string"
    case nanosISO = "nanos_iso_datetime_string"

    func schema(isOptional: Bool) -> Schema {
        switch self {
        case .connectLogical: .timestamp(isOptional: isOptional)
        case .microsLong, .nanosLong: .primitive(.int64, isOptional)
        case .microsString, .microsISO, .nanosString, .nanosISO: .primitive(.string, isOptional)
        }
    }

    /// A date and time in microseconds since 1970-01-01 00:00, as a clock in `zone` shows it. Numbers count from the
    /// epoch, ISO texts are the local time.
    /// - Returns: nil if it is too far away to be told in nanoseconds (before 1677 or after 2262).
    func value(localMicroseconds: Int64, zone: SQLTimeZone) -> ConnectValue? {
        let (local, rest) = CivilTime.split(microseconds: localMicroseconds)
        let milliseconds = zone.utc(fromLocal: local)
        let microseconds = milliseconds &* 1_000 &+ rest
        let (nanoseconds, isTooFar) = microseconds.multipliedReportingOverflow(by: 1_000)
        switch self {
        case .connectLogical: return .int64(milliseconds)
        case .microsLong: return .int64(microseconds)
        case .microsString: return .string("\(microseconds)")
        case .nanosLong: return isTooFar ? nil : .int64(nanoseconds)
        case .nanosString: return isTooFar ? nil : .string("\(nanoseconds)")
        case .microsISO: return .string(Self.text(localMicroseconds))
        case .nanosISO: return .string(Self.text(localMicroseconds) + "000")
        }
    }

    /// `2024-02-29T13:14:15.123456`.
    private static func text(_ localMicroseconds: Int64) -> String {
        var text: [UInt8] = []
        CivilTime.appendTimestamp(microseconds: localMicroseconds, to: &text)
        if let blank = text.firstIndex(of: UInt8(ascii: " ")) { text[blank] = UInt8(ascii: "T") }
        return String(decoding: text, as: UTF8.self)
    }
}
