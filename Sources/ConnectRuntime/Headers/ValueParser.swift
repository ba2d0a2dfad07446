import ConnectAPI

/// Reads a text as a value; arrays and maps go as deep as ``maximumDepth``.
struct ValueParser {
    static let maximumDepth = 32

    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// The value that the whole text stands for; nil if it is none.
    mutating func parse() -> SchemaAndValue? {
        skipBlanks()
        let value: SchemaAndValue?
        switch next {
        case UInt8(ascii: "["): value = array(depth: 1)
        case UInt8(ascii: "{"): value = map(depth: 1)
        case nil: return nil
        default:
            value = Values.scalar(trimmed(position..<bytes.count))
            position = bytes.count
        }
        skipBlanks()
        return position == bytes.count ? value : nil
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte <= 0x20 { position += 1 }
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard next == byte else { return false }
        position += 1
        return true
    }

    private func trimmed(_ range: Range<Int>) -> String {
        var slice = bytes[range]
        while let last = slice.last, last <= 0x20 { slice.removeLast() }
        while let first = slice.first, first <= 0x20 { slice.removeFirst() }
        return String(decoding: slice, as: UTF8.self)
    }

    // MARK: Elements

    private mutating func element(depth: Int) -> SchemaAndValue? {
        skipBlanks()
        switch next {
        case UInt8(ascii: "\""): return quoted()
        case UInt8(ascii: "["): return array(depth: depth + 1)
        case UInt8(ascii: "{"): return map(depth: depth + 1)
        default: return bare()
        }
    }

    /// A scalar without quotes. The colons of a time are not those of a map's entry.
    private mutating func bare() -> SchemaAndValue? {
        let start = position
        skipRun()
        let end = position
        for _ in 0..<2 where next == UInt8(ascii: ":") {
            position += 1
            skipRun()
        }
        if let moment = Values.moment(trimmed(start..<position)) { return moment }
        position = end
        return Values.scalar(trimmed(start..<end))
    }

    /// Goes on to the next delimiter that has no backslash before it.
    private mutating func skipRun() {
        while let byte = next, !":,{}[]\"".utf8.contains(byte) {
            position = min(position + (byte == UInt8(ascii: "\\") ? 2 : 1), bytes.count)
        }
    }

    /// A text in quotes, or the date, time or timestamp that it is.
    private mutating func quoted() -> SchemaAndValue? {
        position += 1
        var content: [UInt8] = []
        while let byte = next {
            position += 1
            if byte == UInt8(ascii: "\"") {
                let text = String(decoding: content, as: UTF8.self)
                return Values.moment(text) ?? SchemaAndValue(schema: .string, value: .string(text))
            }
            if byte == UInt8(ascii: "\\"), let escaped = next, escaped == byte || escaped == UInt8(ascii: "\"") {
                content.append(escaped)
                position += 1
            } else {
                content.append(byte)
            }
        }
        return nil
    }

    // MARK: Arrays and maps

    private mutating func array(depth: Int) -> SchemaAndValue? {
        guard depth <= Self.maximumDepth, skip(UInt8(ascii: "[")) else { return nil }
        var values: [ConnectValue] = []
        var common = CommonSchema()
        while !skip(UInt8(ascii: "]")) {
            guard let element = element(depth: depth) else { return nil }
            values.append(element.value)
            common.merge(element)
            guard skip(UInt8(ascii: ",")) || next == UInt8(ascii: "]") else { return nil }
        }
        guard let aligned = common.aligned(values) else { return nil }
        return SchemaAndValue(schema: Schema(type: .array, valueSchema: common.schema), value: .array(aligned))
    }

    private mutating func map(depth: Int) -> SchemaAndValue? {
        guard depth <= Self.maximumDepth, skip(UInt8(ascii: "{")) else { return nil }
        var keys: [ConnectValue] = []
        var values: [ConnectValue] = []
        var indexes: [ConnectValue: Int] = [:]
        var (keySchema, valueSchema) = (CommonSchema(), CommonSchema())
        while !skip(UInt8(ascii: "}")) {
            guard let key = element(depth: depth), !key.value.isNull, skip(UInt8(ascii: ":")),
                let value = element(depth: depth)
            else { return nil }
            if let index = indexes[key.value] {
                values[index] = value.value
            } else {
                indexes[key.value] = keys.count
                keys.append(key.value)
                values.append(value.value)
            }
            keySchema.merge(key)
            valueSchema.merge(value)
            // As in Java, the comma may be missing.
            _ = skip(UInt8(ascii: ","))
        }
        // Java: without a common type of the keys there is none of the values.
        if keySchema.schema == nil { valueSchema = CommonSchema() }
        guard let keys = keySchema.aligned(keys), let values = valueSchema.aligned(values) else { return nil }
        return SchemaAndValue(
            schema: Schema(type: .map, keySchema: keySchema.schema, valueSchema: valueSchema.schema),
            value: .map(MapEntries(zip(keys, values).map { MapEntries.Entry(key: $0, value: $1) })))
    }
}

/// What the schemas of some values have in common: one of them, or the widest type of number. Nulls have none.
private struct CommonSchema {
    private(set) var schema: Schema?
    private var isImpossible = false

    mutating func merge(_ element: SchemaAndValue) {
        guard let latest = element.schema, !isImpossible else { return }
        schema = schema.map { Self.wider($0, latest) } ?? latest
        isImpossible = schema == nil
    }

    /// The values in the common schema, or as they are if there is none; nil if there is a null among them, for which a
    /// schema that is found has no place (as in Java).
    func aligned(_ values: [ConnectValue]) -> [ConnectValue]? {
        guard let schema else { return values }
        guard !values.contains(where: \.isNull) else { return nil }
        guard let type = CastType.allCases.first(where: { $0.schemaType == schema.type }),
            Self.widths.contains(schema.type)
        else { return values }
        return values.map { value in value.type == schema.type ? value : (try? type.cast(value, of: nil)) ?? value }
    }

    private static let widths: [SchemaType] = [.int8, .int16, .int32, .int64, .float32, .float64]

    private static func wider(_ one: Schema, _ other: Schema) -> Schema? {
        if one == other { return one }
        guard one.name == nil, other.name == nil, let width = widths.firstIndex(of: one.type),
            let otherWidth = widths.firstIndex(of: other.type)
        else { return nil }
        return width < otherWidth ? other : one
    }
}
