import ConnectAPI

/// Adds a header with a fixed value (Kafka's `InsertHeader`). The type of the value is found from its text: see
/// ``LiteralValue``.
final class InsertHeader: Transformation {
    static let className = Transformations.package + "InsertHeader"
    static let configDefinition = ConfigDefinition([
        Transformations.option("header", .string, .required, .high, "The header's name."),
        Transformations.option(
            "value.literal", .string, .required, .high, "The header's value; its type is found from the text."),
    ])

    private var header: ConnectHeader?

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        let literal = LiteralValue.parse(parsed.string("value.literal"))
        header = ConnectHeader(key: parsed.string("header"), schema: literal.schema, value: literal.value)
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        if let header { record.headers.append(header) }
        return true
    }
}

/// The value that a text stands for, as Kafka's `Values.parseString` finds it: `null`, `true` and `false`, whole
/// numbers in the smallest integer that holds them, other numbers as float32 or float64, dates, times and timestamps
/// in ISO 8601 (UTC), a string in double quotes without them. Arrays and maps stay text, unlike in Java.
enum LiteralValue {
    static func parse(_ text: String) -> SchemaAndValue {
        switch text.trimmed {
        case "null": return SchemaAndValue(schema: nil, value: .null)
        case "true": return SchemaAndValue(schema: .boolean, value: .boolean(true))
        case "false": return SchemaAndValue(schema: .boolean, value: .boolean(false))
        case let trimmed:
            if let number = number(trimmed) ?? moment(trimmed) { return number }
            if trimmed.count >= 2, trimmed.hasPrefix("\""), trimmed.hasSuffix("\"") {
                return SchemaAndValue(schema: .string, value: .string(String(trimmed.dropFirst().dropLast())))
            }
            return SchemaAndValue(schema: .string, value: .string(text))
        }
    }

    private static func number(_ text: String) -> SchemaAndValue? {
        guard let first = text.utf8.first(where: { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "+") }),
            (0x30...0x39).contains(first) || first == UInt8(ascii: "."),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
            let number = Double(text)
        else { return nil }
        if let whole = Int64(text) ?? Int64(exactly: number) {
            if let small = Int8(exactly: whole) { return SchemaAndValue(schema: .int8, value: .int8(small)) }
            if let small = Int16(exactly: whole) { return SchemaAndValue(schema: .int16, value: .int16(small)) }
            if let small = Int32(exactly: whole) { return SchemaAndValue(schema: .int32, value: .int32(small)) }
            return SchemaAndValue(schema: .int64, value: .int64(whole))
        }
        if let float = Float(text), float.isFinite { return SchemaAndValue(schema: .float32, value: .float32(float)) }
        return number.isFinite ? SchemaAndValue(schema: .float64, value: .float64(number)) : nil
    }

    private static func moment(_ text: String) -> SchemaAndValue? {
        guard text.utf8.count >= 10, (0x30...0x39).contains(text.utf8.first ?? 0) else { return nil }
        for (format, type) in formats {
            guard let millis = format?.parse(text, toEnd: true) else { continue }
            return type.literal(millis: millis)
        }
        return nil
    }

    private static let formats: [(DateFormat?, TimestampForm)] = [
        (try? DateFormat("yyyy-MM-dd"), .date), (try? DateFormat("HH:mm:ss.SSS'Z'"), .time),
        (try? DateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"), .timestamp),
    ]
}
