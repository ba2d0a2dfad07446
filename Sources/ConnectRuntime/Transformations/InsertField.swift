import ConnectAPI

/// Adds fields with the record's metadata, or with a fixed text (Kafka's `InsertField`).
final class InsertField<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "InsertField" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        let suffix = " Ends in ! if it is to be required, in ? if optional (the default)."
        func option(_ name: String, _ doc: String) -> ConfigDefinition.Key {
            Transformations.option(name, .string, .null, .medium, doc)
        }
        return ConfigDefinition([
            option("topic.field", "The field for the topic." + suffix),
            option("partition.field", "The field for the partition." + suffix),
            option("offset.field", "The field for the offset; for sinks only." + suffix),
            option("timestamp.field", "The field for the timestamp." + suffix),
            option("static.field", "The field for the fixed text." + suffix),
            option("static.value", "The fixed text."),
            Transformations.replaceNullWithDefault,
        ])
    }

    /// What is put into a field.
    private enum Source {
        case topic, partition, offset, timestamp
        case text(String)

        func schema(isOptional: Bool) -> Schema {
            switch self {
            case .topic, .text: Schema(type: .string, isOptional: isOptional)
            case .partition: Schema(type: .int32, isOptional: isOptional)
            case .offset: Schema(type: .int64, isOptional: isOptional)
            case .timestamp:
                Schema(type: .int64, isOptional: isOptional, name: LogicalType.timestampName, version: 1)
            }
        }

        func value(_ record: ConnectRecord) throws(ConnectError) -> ConnectValue {
            switch self {
            case .topic: return .string(record.topic)
            case .partition: return record.partition.map { .int32($0) } ?? .null
            case .offset:
                guard let offset = record.offset else {
                    throw .data("Only sink records are supported for [field insertion] of an offset")
                }
                return .int64(offset)
            case .timestamp: return record.timestamp.map { .int64($0) } ?? .null
            case .text(let text): return .string(text)
            }
        }
    }

    private struct Insertion {
        var name: String
        var isOptional: Bool
        var source: Source

        init(_ text: String, _ source: Source) {
            let isMarked = text.hasSuffix("!") || text.hasSuffix("?")
            name = isMarked ? String(text.dropLast()) : text
            isOptional = !text.hasSuffix("!")
            self.source = source
        }
    }

    private var insertions: [Insertion] = []
    private var replacesNull = true
    private var cache = SchemaCache<Schema>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        replacesNull = parsed.bool("replace.null.with.default")
        let text = parsed.optionalString("static.value")
        for (option, source) in [
            ("topic.field", Source.topic), ("partition.field", .partition), ("offset.field", .offset),
            ("timestamp.field", .timestamp), ("static.field", .text(text ?? "")),
        ] {
            guard let name = parsed.optionalString(option) else { continue }
            insertions.append(Insertion(name, source))
        }
        guard !insertions.isEmpty else { throw .config("No field insertion configured") }
        if parsed.optionalString("static.field") != nil, text == nil {
            throw .config("static.value: No value specified for static field")
        }
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        if part.value.isNull { return true }
        guard let schema = part.schema else {
            var map = try part.requireMap("field insertion")
            for insertion in insertions {
                let value = try insertion.source.value(record)
                if !value.isNull { map.set(insertion.name, value) }
            }
            Part.set(&record, SchemaAndValue(schema: nil, value: .map(map)))
            return true
        }
        let structure = try part.requireStruct("field insertion")
        let insertions = insertions
        let extended = try cache.value(for: schema) { (schema) throws(ConnectError) in
            let added = insertions.map { Field($0.name, $0.source.schema(isOptional: $0.isOptional)) }
            return try schema.copyingBasics(fields: schema.fields + added)
        }
        var values = structure.values(replacingNull: replacesNull)
        values.reserveCapacity(values.count + insertions.count)
        for insertion in insertions { values.append(try insertion.source.value(record)) }
        let result = try Struct(schema: extended, values: values)
        Part.set(&record, SchemaAndValue(schema: extended, value: .structure(result)))
        return true
    }
}
