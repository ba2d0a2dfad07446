import ConnectAPI

/// Makes the key of fields of the value (Kafka's `ValueToKey`).
final class ValueToKey: Transformation {
    static let className = Transformations.package + "ValueToKey"
    static let configDefinition = ConfigDefinition([
        Transformations.option(
            "fields", .list, .required, .high, "The fields of the value that make the key.", .nonEmptyList),
        Transformations.replaceNullWithDefault,
    ])

    private struct Plan {
        var schema: Schema
        var sources: [Int]
    }

    private var fields: [String] = []
    private var replacesNull = true
    private var cache = SchemaCache<Plan>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        fields = parsed.list("fields")
        replacesNull = parsed.bool("replace.null.with.default")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let purpose = "copying fields from value to key"
        guard let schema = record.value.schema else {
            let map = try record.value.requireMap(purpose)
            var key = MapEntries()
            for field in fields { key.set(field, map[field] ?? .null) }
            record.key = SchemaAndValue(schema: nil, value: .map(key))
            return true
        }
        let structure = try record.value.requireStruct(purpose)
        let fields = fields
        let plan = try cache.value(for: schema) { (schema) throws(ConnectError) in
            var sources: [Int] = []
            for name in fields {
                guard let index = schema.index(of: name) else { throw .data("Field does not exist: \(name)") }
                sources.append(index)
            }
            return Plan(schema: Schema(type: .structure, fields: sources.map { schema.fields[$0] }), sources: sources)
        }
        let values = plan.sources.map { structure.value(at: $0, replacingNull: replacesNull) }
        let key = try Struct(schema: plan.schema, values: values)
        record.key = SchemaAndValue(schema: plan.schema, value: .structure(key))
        return true
    }
}
