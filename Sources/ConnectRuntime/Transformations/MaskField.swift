import ConnectAPI

/// Puts an empty value of the same type, or a replacement, in the place of fields (Kafka's `MaskField`).
final class MaskField<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "MaskField" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option("fields", .list, .required, .high, "The fields to mask.", .nonEmptyList),
            Transformations.option(
                "replacement", .string, .null, .low,
                "What to put into fields of strings and numbers; default is an empty string or zero.",
                .nonEmptyIfGiven),
            Transformations.replaceNullWithDefault,
        ])
    }

    private var fields: [String] = []
    private var replacement: String?
    private var replacesNull = true
    private var cache = SchemaCache<[Int]>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        fields = parsed.list("fields")
        replacement = parsed.optionalString("replacement")
        replacesNull = parsed.bool("replace.null.with.default")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        guard let schema = part.schema else {
            var map = try part.requireMap("mask fields")
            for field in fields { map.set(field, try masked(map[field] ?? .null, nil)) }
            Part.set(&record, SchemaAndValue(schema: nil, value: .map(map)))
            return true
        }
        let structure = try part.requireStruct("mask fields")
        let fields = fields
        let indices = try cache.value(for: schema) { schema in fields.compactMap { schema.index(of: $0) } }
        var values = structure.values(replacingNull: replacesNull)
        for index in indices { values[index] = try masked(values[index], schema.fields[index].schema) }
        let result = try Struct(schema: structure.schema, values: values)
        Part.set(&record, SchemaAndValue(schema: schema, value: .structure(result)))
        return true
    }

    private func masked(_ value: ConnectValue, _ schema: Schema?) throws(ConnectError) -> ConnectValue {
        if value.isNull { return .null }
        if let replacement { return try replaced(value, schema, replacement) }
        switch value {
        case .int8: return .int8(0)
        case .int16: return .int16(0)
        case .int32: return .int32(0)
        case .int64: return .int64(0)
        case .float32: return .float32(0)
        case .float64: return .float64(0)
        case .boolean: return .boolean(false)
        case .string: return .string("")
        case .array: return .array([])
        case .map: return .map(MapEntries())
        case .bytes where schema?.logicalType != nil: return .bytes([0])
        default: throw .data("Cannot mask value of type: \(SchemaAndValue.kind(of: value))")
        }
    }

    private func replaced(
        _ value: ConnectValue, _ schema: Schema?, _ text: String
    ) throws(ConnectError) -> ConnectValue {
        let kind = SchemaAndValue.kind(of: value)
        var result: ConnectValue?
        switch (value, schema?.logicalType) {
        case (.bytes, .decimal(let scale)?):
            result = ConnectDecimal.unscaled(text: text, scale: scale).map { .bytes($0) }
        case (_, .some), (.bytes, _), (.boolean, _), (.array, _), (.map, _), (.structure, _), (.null, _):
            throw .data("Cannot mask value of type \(kind) with custom replacement.")
        case (.int8, _): result = Int8(text).map { .int8($0) }
        case (.int16, _): result = Int16(text).map { .int16($0) }
        case (.int32, _): result = Int32(text).map { .int32($0) }
        case (.int64, _): result = Int64(text).map { .int64($0) }
        case (.float32, _): result = Float(text).map { .float32($0) }
        case (.float64, _): result = Double(text).map { .float64($0) }
        case (.string, _): result = .string(text)
        }
        guard let result else { throw .data("Unable to convert \(text) to \(kind)") }
        return result
    }
}
