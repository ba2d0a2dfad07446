import ConnectAPI

/// The forms that a time can have in a record; the raw value is what `target.type` of ``TimestampConverter`` calls it.
enum TimestampForm: String, CaseIterable {
    case string, unix
    case date = "Date"
    case time = "Time"
    case timestamp = "Timestamp"

    /// The unit of the form `unix`.
    enum Precision: String, CaseIterable {
        case seconds, milliseconds, microseconds, nanoseconds
    }

    /// The form of a schema's values; nil if they are no times.
    init?(of schema: Schema) {
        switch (schema.logicalType, schema.type) {
        case (.date?, _): self = .date
        case (.time?, _): self = .time
        case (.timestamp?, _): self = .timestamp
        case (nil, .int64): self = .unix
        case (nil, .string): self = .string
        default: return nil
        }
    }

    func schema(isOptional: Bool) -> Schema {
        switch self {
        case .string: isOptional ? .optionalString : .string
        case .unix: isOptional ? .optionalInt64 : .int64
        case .date: Schema(type: .int32, isOptional: isOptional, name: LogicalType.dateName, version: 1)
        case .time: Schema(type: .int32, isOptional: isOptional, name: LogicalType.timeName, version: 1)
        case .timestamp: Schema(type: .int64, isOptional: isOptional, name: LogicalType.timestampName, version: 1)
        }
    }

    /// A value of the form Date, Time or Timestamp.
    func value(millis: Int64) -> ConnectValue {
        let millisOfDay = ((millis % 86_400_000) + 86_400_000) % 86_400_000
        switch self {
        case .date: return .int32(Int32(truncatingIfNeeded: (millis - millisOfDay) / 86_400_000))
        case .time: return .int32(Int32(millisOfDay))
        default: return .int64(millis)
        }
    }

    func literal(millis: Int64) -> SchemaAndValue {
        SchemaAndValue(schema: schema(isOptional: false), value: value(millis: millis))
    }
}

/// Turns times of one form into another, over milliseconds since the epoch.
struct TimestampConversion {
    var target: TimestampForm
    var format: DateFormat?
    var precision: TimestampForm.Precision

    /// - Parameter source: the form of the value; nil to tell by its type.
    func convert(_ value: ConnectValue, from source: TimestampForm?) throws(ConnectError) -> ConnectValue {
        if value.isNull { return .null }
        let form = if let source { source } else { try Self.inferred(value) }
        let millis = try millis(value, form)
        switch target {
        case .string:
            guard let format else { throw .data("The option format is missing") }
            return .string(format.text(millis: millis))
        case .unix:
            switch precision {
            case .seconds: return .int64(Self.floorDivided(millis, 1000))
            case .milliseconds: return .int64(millis)
            case .microseconds: return .int64(try Self.scaled(millis, 1000))
            case .nanoseconds: return .int64(try Self.scaled(millis, 1_000_000))
            }
        case .date, .time, .timestamp: return target.value(millis: millis)
        }
    }

    private static func inferred(_ value: ConnectValue) throws(ConnectError) -> TimestampForm {
        switch value {
        case .int64: .unix
        case .string: .string
        default:
            throw .data("TimestampConverter does not support \(SchemaAndValue.kind(of: value)) objects as timestamps")
        }
    }

    private func millis(_ value: ConnectValue, _ source: TimestampForm) throws(ConnectError) -> Int64 {
        switch (source, value) {
        case (.string, .string(let text)):
            guard let format else {
                throw .data("TimestampConverter needs the option format to read timestamps of strings")
            }
            guard let millis = format.parse(text) else {
                throw .data("Could not parse timestamp: value (\(text)) does not match pattern (\(format.pattern))")
            }
            return millis
        case (.unix, .int64(let number)):
            switch precision {
            case .seconds: return try Self.scaled(number, 1000)
            case .milliseconds: return number
            case .microseconds: return Self.floorDivided(number, 1000)
            case .nanoseconds: return Self.floorDivided(number, 1_000_000)
            }
        case (.date, .int32(let days)): return Int64(days) * 86_400_000
        case (.time, .int32(let millis)): return Int64(millis)
        case (.timestamp, .int64(let millis)): return millis
        default:
            throw .data("Expected a timestamp of the form \(source.rawValue), found \(SchemaAndValue.kind(of: value))")
        }
    }

    private static func scaled(_ number: Int64, _ factor: Int64) throws(ConnectError) -> Int64 {
        let (result, overflows) = number.multipliedReportingOverflow(by: factor)
        guard !overflows else { throw .data("The timestamp \(number) is out of range") }
        return result
    }

    private static func floorDivided(_ number: Int64, _ divisor: Int64) -> Int64 {
        let quotient = number / divisor
        return number % divisor < 0 ? quotient - 1 : quotient
    }
}
