import ConnectAPI

/// Moves or copies fields of the key or value to headers (Kafka's `HeaderFrom`).
final class HeaderFrom<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "HeaderFrom" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option("fields", .list, .required, .high, "The fields.", .nonEmptyList),
            Transformations.option(
                "headers", .list, .required, .high, "The names of the headers, in the order of the fields.",
                .nonEmptyList),
            Transformations.option(
                "operation", .string, .required, .high, "move: the fields are taken away; copy: they stay.",
                .oneOf(["move", "copy"])),
            Transformations.replaceNullWithDefault,
        ])
    }

    /// What is left of the schema, with the old index of each of its fields, and where the headers come from.
    private struct Plan {
        var schema: Schema
        var kept: [Int]
        var sources: [Int]
    }

    private var fields: [String] = []
    private var headers: [String] = []
    private var isMove = false
    private var replacesNull = true
    private var cache = SchemaCache<Plan>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        fields = parsed.list("fields")
        headers = parsed.list("headers")
        isMove = parsed.string("operation") == "move"
        replacesNull = parsed.bool("replace.null.with.default")
        guard fields.count == headers.count else {
            throw .config("'fields' must have the same number of elements as 'headers'")
        }
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        guard let schema = part.schema else {
            var map = try part.requireMap("header from")
            for (field, header) in zip(fields, headers) {
                record.headers.append(ConnectHeader(key: header, value: map[field] ?? .null))
            }
            if isMove { map.entries.removeAll { $0.key.stringValue.map(fields.contains) ?? false } }
            Part.set(&record, SchemaAndValue(schema: nil, value: .map(map)))
            return true
        }
        let structure = try part.requireStruct("header from")
        let plan = try cache.value(for: schema) { (schema) throws(ConnectError) in try makePlan(for: schema) }
        for (source, header) in zip(plan.sources, headers) {
            record.headers.append(
                ConnectHeader(
                    key: header, schema: schema.fields[source].schema,
                    value: structure.value(at: source, replacingNull: replacesNull)))
        }
        if isMove {
            let values = plan.kept.map { structure.value(at: $0, replacingNull: replacesNull) }
            let rest = try Struct(schema: plan.schema, values: values)
            Part.set(&record, SchemaAndValue(schema: plan.schema, value: .structure(rest)))
        }
        return true
    }

    private func makePlan(for schema: Schema) throws(ConnectError) -> Plan {
        var sources: [Int] = []
        for name in fields {
            guard let index = schema.index(of: name) else { throw .data("\(name) is not a valid field name") }
            sources.append(index)
        }
        let kept = schema.fields.indices.filter { !isMove || !sources.contains($0) }
        return Plan(
            schema: try schema.copyingBasics(fields: kept.map { schema.fields[$0] }), kept: kept, sources: sources)
    }
}
