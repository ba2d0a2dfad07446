import ConnectAPI

/// How a value of a record becomes a parameter.
enum ParameterEncoder: Sendable, Hashable {
    case integer
    case boolean
    case real
    case text
    case bytes
    case decimalText(scale: Int)
    case dateText(SQLTimeZone)
    case timeText(SQLTimeZone)
    case timestampText(SQLTimeZone)
    /// A date as milliseconds since the epoch.
    case dateMilliseconds

    /// The encoder of a type that is no logical type; nil for arrays, maps and structs.
    init?(primitive type: SchemaType) {
        switch type {
        case .int8, .int16, .int32, .int64: self = .integer
        case .boolean: self = .boolean
        case .float32, .float64: self = .real
        case .string: self = .text
        case .bytes: self = .bytes
        case .array, .map, .structure: return nil
        }
    }

    /// How the driver holds the parameter.
    var kind: ParameterBatch.Kind {
        switch self {
        case .integer, .boolean, .dateMilliseconds: .integer
        case .real: .real
        case .bytes: .bytes
        case .text, .decimalText, .dateText, .timeText, .timestampText: .text
        }
    }

    /// Appends a value to a column of this encoder's kind.
    /// - Returns: false if the value is not what the schema said.
    func append(_ value: ConnectValue, to column: inout ParameterBatch.Column) -> Bool {
        switch (self, value) {
        case (_, .null): column.appendNull()
        case (.integer, .int32(let value)): column.append(Int64(value))
        case (.integer, .int64(let value)): column.append(value)
        case (.integer, .int16(let value)): column.append(Int64(value))
        case (.integer, .int8(let value)): column.append(Int64(value))
        case (.text, .string(let value)): column.append(value)
        case (.real, .float64(let value)): column.append(value)
        case (.real, .float32(let value)): column.append(Double(value))
        case (.boolean, .boolean(let value)): column.append(value ? 1 : Int64(0))
        case (.bytes, .bytes(let value)): column.append(value)
        case (.timestampText(let zone), .int64(let value)):
            column.append(writing: {
                CivilTime.appendTimestamp(milliseconds: zone.local(fromUTC: value), to: &$0)
            })
        case (.dateText(let zone), .int32(let value)):
            let local = zone.local(fromUTC: Int64(value) * CivilTime.millisecondsPerDay)
            column.append(writing: { CivilTime.appendDate(days: CivilTime.split(milliseconds: local).days, to: &$0) })
        case (.timeText(let zone), .int32(let value)):
            column.append(writing: { Self.appendTime(Int64(value), zone: zone, to: &$0) })
        case (.dateMilliseconds, .int32(let value)): column.append(Int64(value) * CivilTime.millisecondsPerDay)
        case (.decimalText(let scale), .bytes(let value)):
            column.append(writing: { DecimalText.append(value, scale: scale, to: &$0) })
        default: return false
        }
        return true
    }

    /// Appends a time of day as a zone shows it.
    static func appendTime(_ milliseconds: Int64, zone: SQLTimeZone, to text: inout [UInt8]) {
        let local = CivilTime.split(milliseconds: zone.local(fromUTC: milliseconds)).rest
        CivilTime.appendTime(milliseconds: local, to: &text)
    }
}
