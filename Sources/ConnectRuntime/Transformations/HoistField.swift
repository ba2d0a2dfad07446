import ConnectAPI
import OrderedCollections

/// Wraps the key or value in a struct, or a map without schema, with one field (Kafka's `HoistField`).
final class HoistField<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "HoistField" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option("field", .string, .required, .medium, "The name of the one field.")
        ])
    }

    private var name = ""
    private var cache = SchemaCache<Schema>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        name = try Self.configDefinition.parse(config).string("field")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        let name = name
        guard let schema = part.schema else {
            Part.set(&record, SchemaAndValue(schema: nil, value: .map(MapEntries([name: part.value]))))
            return true
        }
        let hoisted = try cache.value(for: schema) { schema in
            Schema(type: .structure, fields: [Field(name, schema)])
        }
        let structure = try Struct(schema: hoisted, values: [part.value])
        Part.set(&record, SchemaAndValue(schema: hoisted, value: .structure(structure)))
        return true
    }
}
