/// How a driver turns the bytes of one column into a value of a record. Chosen once per result by ``TypeMap``.
enum ColumnDecoder: Sendable, Hashable {
    case int8, int16, int32, int64
    case boolean
    case float32, float64
    case string
    case bytes
    /// The unscaled number as big-endian two's complement.
    case decimal(scale: Int)
    /// Days since 1970-01-01.
    case date
    /// A year as the days to its first of January.
    case year
    /// Milliseconds since midnight.
    case time
    /// A date and time, as records want it.
    case timestamp(TimestampGranularity)
    /// Microseconds since 1970-01-01 00:00 of a date and time without regard to its zone: what a source resumes by.
    case localMicroseconds
    /// A bit field as a number of the given width.
    case bits(SQLColumnType.IntegerWidth)
    /// One dimension of elements.
    indirect case array(ColumnDecoder)
}

extension ColumnDecoder {
    /// Whether packed rows can hold what it makes.
    var isSimple: Bool {
        if case .array = self { false } else { true }
    }
}

/// What decoding a value depends on besides its column.
struct DecodingOptions: Sendable {
    /// The zone of dates and times that have none (`db.timezone`).
    var zone = SQLTimeZone.utc
    /// What to do with MariaDB's zero dates (`zeroDateTimeBehavior` of the URL).
    var zeroDates = ZeroDates.fail
    /// Whether MariaDB's `tinyint(1)` is a boolean (`transformedBitIsBoolean` of the URL).
    var tinyIntIsBoolean = false

    /// Connector/J's choices.
    enum ZeroDates: Sendable {
        case fail, null, round
    }
}
