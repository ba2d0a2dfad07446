import ConnectAPI

/// Leaves fields out and renames them (Kafka's `ReplaceField`).
final class ReplaceField<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "ReplaceField" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option(
                "exclude", .list, .value(""), .medium, "Fields to leave out. Takes precedence over include."),
            Transformations.option(
                "include", .list, .value(""), .medium, "Fields to keep; empty keeps all that are not excluded."),
            Transformations.option("renames", .list, .value(""), .medium, "Pairs old:new of names.", renameList),
            Transformations.replaceNullWithDefault,
        ])
    }

    private static var renameList: ConfigValidator {
        ConfigValidator { value in
            guard case .list(let pairs) = value else { return nil }
            let bad = pairs.first { $0.split(separator: ":", omittingEmptySubsequences: false).count != 2 }
            return bad.map { "Invalid rename mapping: \($0)" }
        }
    }

    /// The new schema, and which field of the old one each of its fields comes from.
    private struct Plan {
        var schema: Schema
        var sources: [Int]
    }

    private var exclude: Set<String> = []
    private var include: Set<String> = []
    private var renames: [String: String] = [:]
    private var replacesNull = true
    private var cache = SchemaCache<Plan>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        exclude = Set(parsed.list("exclude"))
        include = Set(parsed.list("include"))
        for pair in parsed.list("renames") {
            let names = pair.split(separator: ":").map(String.init)
            if names.count == 2 { renames[names[0]] = names[1] }
        }
        replacesNull = parsed.bool("replace.null.with.default")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        if part.value.isNull { return true }
        guard let schema = part.schema else {
            var map = MapEntries()
            for entry in try part.requireMap("field replacement").entries {
                guard let name = entry.key.stringValue else {
                    map.entries.append(entry)
                    continue
                }
                if keeps(name) { map.set(renames[name] ?? name, entry.value) }
            }
            Part.set(&record, SchemaAndValue(schema: nil, value: .map(map)))
            return true
        }
        let structure = try part.requireStruct("field replacement")
        let plan = try cache.value(for: schema) { (schema) throws(ConnectError) in try makePlan(for: schema) }
        let values = plan.sources.map { structure.value(at: $0, replacingNull: replacesNull) }
        let replaced = try Struct(schema: plan.schema, values: values)
        Part.set(&record, SchemaAndValue(schema: plan.schema, value: .structure(replaced)))
        return true
    }

    private func keeps(_ name: String) -> Bool {
        !exclude.contains(name) && (include.isEmpty || include.contains(name))
    }

    private func makePlan(for schema: Schema) throws(ConnectError) -> Plan {
        let sources = schema.fields.indices.filter { keeps(schema.fields[$0].name) }
        let fields = sources.map { index in
            let field = schema.fields[index]
            return Field(renames[field.name] ?? field.name, field.schema)
        }
        return Plan(schema: try schema.copyingBasics(fields: fields), sources: sources)
    }
}
