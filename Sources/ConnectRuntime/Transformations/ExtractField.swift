import ConnectAPI

/// Puts one field in the place of the whole key or value (Kafka's `ExtractField`).
final class ExtractField<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "ExtractField" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option("field", .string, .required, .medium, "The field to take out."),
            Transformations.replaceNullWithDefault,
            Transformations.option(
                "field.syntax.version", .string, .value("V1"), .high,
                "V1: the name of a field; V2: a path of names separated by dots.",
                .oneOfIgnoringCase(["V1", "V2"])),
        ])
    }

    private var path: FieldPath?
    private var name = ""
    private var replacesNull = true
    private var cache = SchemaCache<Schema>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        name = parsed.string("field")
        path = try FieldPath(name, version: parsed.string("field.syntax.version"))
        replacesNull = parsed.bool("replace.null.with.default")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        guard let path else { return true }
        let part = Part.get(record)
        guard let schema = part.schema else {
            let value = part.value.isNull ? .null : path.value(in: try part.requireMap("field extraction"))
            Part.set(&record, SchemaAndValue(schema: nil, value: value))
            return true
        }
        let structure = part.value.isNull ? nil : try part.requireStruct("field extraction")
        let name = name
        let fieldSchema = try cache.value(for: schema) { (schema) throws(ConnectError) in
            guard let found = path.schema(in: schema) else { throw .data("Unknown field: \(name)") }
            return found
        }
        let value = structure.map { path.value(in: $0, replacingNull: replacesNull) } ?? .null
        Part.set(&record, SchemaAndValue(schema: fieldSchema, value: value))
        return true
    }
}
