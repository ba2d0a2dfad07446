import ConnectAPI

/// Sets the name and the version of the key's or value's schema (Kafka's `SetSchemaMetadata`).
final class SetSchemaMetadata<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "SetSchemaMetadata" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option("schema.name", .string, .null, .high, "The schema's new name."),
            Transformations.option("schema.version", .int, .null, .high, "The schema's new version."),
            Transformations.replaceNullWithDefault,
        ])
    }

    private var name: String?
    private var number: Int?
    private var replacesNull = true
    private var cache = SchemaCache<Schema>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        name = parsed.optionalString("schema.name")
        number = parsed.optionalInt("schema.version").map { Int($0) }
        replacesNull = parsed.bool("replace.null.with.default")
        guard name != nil || number != nil else { throw .config("Neither schema name nor version configured") }
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        guard let schema = part.schema else {
            if part.value.isNull { return true }
            throw .data("Schema required for [updating schema metadata]")
        }
        let (name, number) = (name, number)
        let renamed = try cache.value(for: schema) { old in
            Schema(
                type: old.type, isOptional: old.isOptional, name: name ?? old.name, version: number ?? old.version,
                doc: old.doc, defaultValue: old.defaultValue, parameters: old.parameters, fields: old.fields,
                keySchema: old.keySchema, valueSchema: old.valueSchema)
        }
        var value = part.value
        if case .structure(let structure) = value {
            let values = structure.values(replacingNull: replacesNull)
            value = .structure(try Struct(schema: renamed, values: values))
        }
        Part.set(&record, SchemaAndValue(schema: renamed, value: value))
        return true
    }
}
