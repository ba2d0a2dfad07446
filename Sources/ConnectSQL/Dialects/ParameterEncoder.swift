import ConnectAPI
import NIOCore

/// How a value of a record becomes a parameter.
enum ParameterEncoder: Sendable, Hashable {
    case integer
    case boolean
    /// `t` or `f`, as PostgreSQL writes them.
    case booleanText
    case real
    case text
    case bytes
    case decimalText(scale: Int)
    case dateText(SQLTimeZone)
    case timeText(SQLTimeZone)
    case timestampText(SQLTimeZone)
    /// A date as milliseconds since the epoch.
    case dateMilliseconds
    /// A number or text that counts since the epoch, as a date and time.
    case epochText(SQLTimeZone, SinkColumn.EpochUnit)
    /// The same as milliseconds since the epoch.
    case epochMilliseconds(SinkColumn.EpochUnit)
    /// PostgreSQL's text of an array: `{1,NULL,"a"}`.
    indirect case arrayText(ParameterEncoder)
    /// An array, map or struct as JSON, for databases without such types.
    case json

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
        case .integer, .boolean, .dateMilliseconds, .epochMilliseconds: .integer
        case .real: .real
        case .bytes: .bytes
        case .text, .booleanText, .decimalText, .dateText, .timeText, .timestampText, .epochText, .arrayText, .json:
            .text
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
        case (.booleanText, .boolean(let value)): column.append(value ? "t" : "f")
        case (.arrayText(let encoder), .array(let values)):
            guard let text = encoder.arrayText(values) else { return false }
            column.append(writing: { $0.append(contentsOf: text) })
        case (.json, .array), (.json, .map), (.json, .structure):
            guard let text = JSONText.text(of: value) else { return false }
            column.append(writing: { $0.append(contentsOf: text) })
        case (.timestampText(let zone), .int64(let value)):
            column.append(writing: {
                CivilTime.appendTimestamp(milliseconds: zone.local(fromUTC: value), to: &$0)
            })
        case (.dateText(let zone), .int32(let value)):
            let local = zone.local(fromUTC: Int64(value) * CivilTime.millisecondsPerDay)
            column.append(writing: { CivilTime.appendDate(days: CivilTime.split(milliseconds: local).days, to: &$0) })
        case (.timeText(let zone), .int32(let value)):
            column.append(writing: { Self.appendTime(Int64(value), zone: zone, to: &$0) })
        case (.epochText(let zone, let unit), _):
            guard let microseconds = Self.microseconds(value, unit) else { return false }
            let (milliseconds, rest) = CivilTime.split(microseconds: microseconds)
            let local = zone.local(fromUTC: milliseconds) &* 1_000 &+ rest
            column.append(writing: { CivilTime.appendTimestamp(microseconds: local, to: &$0) })
        case (.epochMilliseconds(let unit), _):
            guard let microseconds = Self.microseconds(value, unit) else { return false }
            column.append(CivilTime.split(microseconds: microseconds).milliseconds)
        case (.dateMilliseconds, .int32(let value)): column.append(Int64(value) * CivilTime.millisecondsPerDay)
        case (.decimalText(let scale), .bytes(let value)):
            column.append(writing: { DecimalText.append(value, scale: scale, to: &$0) })
        default: return false
        }
        return true
    }

    /// PostgreSQL's text of an array; nil if an element is not what the schema said.
    private func arrayText(_ values: [ConnectValue]) -> [UInt8]? {
        var elements = ParameterBatch.Column(kind)
        for value in values {
            guard append(value, to: &elements) else { return nil }
        }
        var text: [UInt8] = [UInt8(ascii: "{")]
        for row in values.indices {
            if row > 0 { text.append(UInt8(ascii: ",")) }
            guard elements.nulls[row] == 0 else {
                text.append(contentsOf: "NULL".utf8)
                continue
            }
            switch kind {
            case .integer: text.append(contentsOf: "\(elements.integers[row])".utf8)
            case .real: text.append(contentsOf: Self.text(of: elements.reals[row]).utf8)
            case .text:
                text.append(UInt8(ascii: "\""))
                for byte in elements.data[elements.range(row)] {
                    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
                    text.append(byte)
                }
                text.append(UInt8(ascii: "\""))
            case .bytes:
                let digits = Array("0123456789abcdef".utf8)
                text.append(contentsOf: "\"\\\\x".utf8)
                for byte in elements.data[elements.range(row)] {
                    text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                }
                text.append(UInt8(ascii: "\""))
            }
        }
        return text + [UInt8(ascii: "}")]
    }

    private static func text(of number: Double) -> String {
        number.isNaN ? "NaN" : number.isInfinite ? (number < 0 ? "-Infinity" : "Infinity") : "\(number)"
    }

    private static func microseconds(_ value: ConnectValue, _ unit: SinkColumn.EpochUnit) -> Int64? {
        guard let number = value.integer ?? value.stringValue.flatMap({ Int64($0) }) else { return nil }
        guard unit == .nanoseconds else { return number }
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: 1_000)
        return remainder < 0 ? quotient - 1 : quotient
    }

    /// Appends a time of day as a zone shows it.
    static func appendTime(_ milliseconds: Int64, zone: SQLTimeZone, to text: inout [UInt8]) {
        let local = CivilTime.split(milliseconds: zone.local(fromUTC: milliseconds)).rest
        CivilTime.appendTime(milliseconds: local, to: &text)
    }
}

/// Values as JSON without a schema.
enum JSONText {
    private static let converter: JSONConverter? = {
        let converter = JSONConverter()
        return (try? converter.configure(["schemas.enable": "false"], isKey: false)).map { converter }
    }()

    static func text(of value: ConnectValue) -> [UInt8]? {
        var buffer = ByteBuffer()
        guard let converter,
            (try? converter.fromConnect(topic: "", schema: nil, value: value, into: &buffer)) == true
        else { return nil }
        return Array(buffer.readableBytesView)
    }
}
