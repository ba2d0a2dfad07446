import ConnectAPI

/// Lifts the fields of nested structs, or of nested maps without schema, to the top, under names joined by a delimiter
/// (Kafka's `Flatten`). Arrays stay as they are; a map in a struct is an error.
final class Flatten<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "Flatten" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option(
                "delimiter", .string, .value("."), .medium, "What stands between the joined names.")
        ])
    }

    private var delimiter = "."
    private var cache = SchemaCache<Schema>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        delimiter = try Self.configDefinition.parse(config).string("delimiter")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        if part.value.isNull { return true }
        guard let schema = part.schema else {
            var flat = MapEntries()
            try flatten(try part.requireMap("flattening"), prefix: "", into: &flat)
            Part.set(&record, SchemaAndValue(schema: nil, value: .map(flat)))
            return true
        }
        let structure = try part.requireStruct("flattening")
        let flatSchema = try cache.value(for: schema) { (schema) throws(ConnectError) in
            var fields: [Field] = []
            try flatten(
                schema, prefix: "", isOptional: schema.isOptional, parentDefault: schema.defaultValue?.structValue,
                into: &fields)
            return try schema.copyingBasics(fields: fields)
        }
        var values: [ConnectValue] = []
        values.reserveCapacity(flatSchema.fields.count)
        Self.flatten(structure, schema, into: &values)
        let flat = try Struct(schema: flatSchema, values: values)
        Part.set(&record, SchemaAndValue(schema: flatSchema, value: .structure(flat)))
        return true
    }

    private func join(_ prefix: String, _ name: String) -> String {
        prefix.isEmpty ? name : prefix + delimiter + name
    }

    private func flatten(
        _ map: MapEntries, prefix: String, into flat: inout MapEntries
    ) throws(ConnectError) {
        for entry in map.entries {
            guard let key = entry.key.stringValue else {
                throw .data("Flatten transformation needs maps with string keys (in field \(prefix))")
            }
            let name = join(prefix, key)
            switch entry.value {
            case .map(let nested): try flatten(nested, prefix: name, into: &flat)
            case .structure:
                throw .data("Flatten transformation does not support struct without schemas (for field \(name))")
            default: flat.set(name, entry.value)
            }
        }
    }

    /// The fields of a struct's schema, with the optionality and the defaults of what they were nested in.
    private func flatten(
        _ schema: Schema, prefix: String, isOptional: Bool, parentDefault: Struct?, into fields: inout [Field]
    ) throws(ConnectError) {
        for field in schema.fields {
            let name = join(prefix, field.name)
            let isFieldOptional = isOptional || field.schema.isOptional
            let inherited = parentDefault?[field.name].flatMap { $0.isNull ? nil : $0 }
            let defaultValue = field.schema.defaultValue ?? inherited
            switch field.schema.type {
            case .structure:
                try flatten(
                    field.schema, prefix: name, isOptional: isFieldOptional,
                    parentDefault: defaultValue?.structValue, into: &fields)
            case .map:
                throw .data("Flatten transformation does not support map with schemas (for field \(name))")
            default:
                fields.append(
                    Field(name, field.schema.with(isOptional: isFieldOptional, defaultValue: defaultValue)))
            }
        }
    }

    private static func flatten(_ structure: Struct?, _ schema: Schema, into values: inout [ConnectValue]) {
        for (index, field) in schema.fields.enumerated() {
            let value = structure.map { $0.value(at: index, replacingNull: true) } ?? .null
            if field.schema.type == .structure {
                flatten(value.structValue, field.schema, into: &values)
            } else {
                values.append(value)
            }
        }
    }
}
