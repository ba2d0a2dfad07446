import ConnectAPI

extension Values {
    /// The value that a text stands for (Kafka's `Values.parseString`): `null`, `true` and `false`; whole numbers as the
    /// smallest integer that holds them, other numbers as float32, float64 or, if these cannot hold them, Decimal;
    /// dates, times and timestamps of ISO 8601 in UTC; arrays in `[]` and maps in `{}`, with texts in double quotes;
    /// anything else is text.
    ///
    /// Unlike in Java a text that only begins with a value stays text (`8:30`, `1,2`), as do days and times that there
    /// are not, and numbers of thousands of digits (`407127e212797209` may be a trace's id); escaped quotes are
    /// unescaped. `Compat/java/HeaderValues.java` shows what Java makes of a text.
    static func parse(_ text: String) -> SchemaAndValue {
        var parser = ValueParser(text)
        return parser.parse() ?? SchemaAndValue(schema: .string, value: .string(text))
    }

    /// Numbers, times and the three words; nil for anything else.
    static func scalar(_ text: some StringProtocol) -> SchemaAndValue? {
        switch text {
        case "null": return .null
        case "true": return SchemaAndValue(schema: .boolean, value: .boolean(true))
        case "false": return SchemaAndValue(schema: .boolean, value: .boolean(false))
        default: return moment(text) ?? number(text)
        }
    }

    /// A date, time or timestamp; its colons may have a backslash before them.
    static func moment(_ text: some StringProtocol) -> SchemaAndValue? {
        guard let first = text.utf8.first, (0x30...0x39).contains(first), text.utf8.count <= 26 else { return nil }
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if byte == UInt8(ascii: ":"), bytes.last == UInt8(ascii: "\\") { bytes.removeLast() }
            bytes.append(byte)
        }
        let known: (format: DateFormat?, form: TimestampForm)
        switch bytes.count {
        case 10: known = (date, .date)
        case 13: known = (time, .time)
        case 24: known = (timestamp, .timestamp)
        default: return nil
        }
        let millis = known.format?.parse(String(decoding: bytes, as: UTF8.self), toEnd: true)
        return millis.map { known.form.literal(millis: $0) }
    }

    /// A number as Java's `BigDecimal` reads it, but for those that begin with the point.
    static func number(_ text: some StringProtocol) -> SchemaAndValue? {
        guard let decimal = DecimalLiteral(text) else { return nil }
        if let whole = decimal.whole {
            if let small = Int8(exactly: whole) { return SchemaAndValue(schema: .int8, value: .int8(small)) }
            if let small = Int16(exactly: whole) { return SchemaAndValue(schema: .int16, value: .int16(small)) }
            if let small = Int32(exactly: whole) { return SchemaAndValue(schema: .int32, value: .int32(small)) }
            return SchemaAndValue(schema: .int64, value: .int64(whole))
        }
        if decimal.scale != 0 {
            if let float = Float(decimal.text), float.isFinite {
                return SchemaAndValue(schema: .float32, value: .float32(float))
            }
            if let double = Double(decimal.text), double.isFinite {
                return SchemaAndValue(schema: .float64, value: .float64(double))
            }
        }
        return ConnectDecimal.unscaled(text: decimal.text, scale: decimal.scale).map {
            SchemaAndValue(schema: .decimal(scale: decimal.scale), value: .bytes($0))
        }
    }
}

/// A decimal number taken apart: its value is digits × 10^power.
private struct DecimalLiteral {
    private var isNegative = false
    /// Without zeros at either end.
    private var digits: [UInt8] = []
    private var power = 0
    /// Java's scale: digits after the point, less the exponent.
    private(set) var scale = 0

    init?(_ text: some StringProtocol) {
        var bytes = Array(text.utf8)[...]
        guard let first = bytes.first, first != UInt8(ascii: ".") else { return nil }
        if first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        var point: Int?
        var count = 0
        while let byte = bytes.first {
            if byte == UInt8(ascii: "."), point == nil {
                point = count
            } else if (0x30...0x39).contains(byte) {
                digits.append(byte)
                count += 1
            } else {
                break
            }
            bytes.removeFirst()
        }
        guard count > 0, count <= ConnectDecimal.maximumDigits else { return nil }
        scale = count - (point ?? count)
        if let mark = bytes.popFirst() {
            guard mark | 0x20 == UInt8(ascii: "e"), let exponent = Int(String(decoding: bytes, as: UTF8.self)),
                abs(exponent) <= ConnectDecimal.maximumDigits
            else { return nil }
            scale -= exponent
        }
        guard abs(scale) <= ConnectDecimal.maximumDigits else { return nil }
        power = -scale
        while digits.last == 0x30 {
            digits.removeLast()
            power += 1
        }
        digits.removeFirst(digits.prefix { $0 == 0x30 }.count)
    }

    /// The number, if it is a whole one that an Int64 holds.
    var whole: Int64? {
        if digits.isEmpty { return 0 }
        guard power >= 0, digits.count + power <= 19 else { return nil }
        return Int64(sign + String(decoding: digits, as: UTF8.self) + String(repeating: "0", count: power))
    }

    /// The number in scientific form.
    var text: String { "\(sign)\(String(decoding: digits, as: UTF8.self))e\(power)" }

    private var sign: String { isNegative ? "-" : "" }
}
