import ConnectAPI

/// Gives records without a schema (JSON with `schemas.enable=false`) one: what the values are says the fields' types,
/// and the table's columns say what becomes of them, because the database casts.
struct SchemaInference {
    private struct Signature: Hashable {
        let names: [String]
        let types: [SchemaType]
    }

    /// How many shapes are remembered; bounded, because records come from outside.
    private static let limit = 64
    private var schemas: [Signature: Schema] = [:]

    /// The record with schemas. A null is left out, unless the table has a column for it.
    mutating func apply(
        to record: SinkRecord, isColumn: (String) throws -> Bool
    ) throws -> SinkRecord {
        var record = record
        if record.keySchema == nil, !record.key.isNull {
            (record.keySchema, record.key) = try infer(record.key, name: "key", record) { _ in true }
        }
        if record.valueSchema == nil, !record.value.isNull {
            (record.valueSchema, record.value) = try infer(record.value, name: record.topic, record, isColumn)
        }
        return record
    }

    private mutating func infer(
        _ value: ConnectValue, name: String, _ record: SinkRecord, _ isColumn: (String) throws -> Bool
    ) throws -> (Schema, ConnectValue) {
        guard case .map(let map) = value else {
            guard let type = value.type, type != .array else {
                throw ConnectError.data(
                    "The record at \(record.topic)-\(record.partition), offset \(record.offset) has neither a schema "
                        + "nor fields (\(value.type?.rawValue ?? "null")): a sink needs a JSON object")
            }
            return (.primitive(type, true), value)
        }
        var names: [String] = []
        var types: [SchemaType] = []
        var values: [ConnectValue] = []
        for entry in map.entries {
            guard let field = entry.key.stringValue else {
                throw ConnectError.data("A field's name is no string in \(record.topic), offset \(record.offset)")
            }
            var value = entry.value
            if value.isNull, try !isColumn(field) { continue }
            switch value {
            case .array, .map, .structure:
                guard let text = JSONText.text(of: value) else { continue }
                value = .string(String(decoding: text, as: UTF8.self))
            default: break
            }
            names.append(field)
            types.append(value.type ?? .string)
            values.append(value)
        }
        let signature = Signature(names: names, types: types)
        let schema =
            schemas[signature]
            ?? Schema.structure(
                name: name, fields: zip(names, types).map { Field($0, .primitive($1, true)) })
        if schemas.count >= Self.limit { schemas = [:] }
        schemas[signature] = schema
        return (schema, .structure(try Struct(schema: schema, values: values)))
    }
}
