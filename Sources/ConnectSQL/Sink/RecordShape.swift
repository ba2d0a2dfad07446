import ConnectAPI

/// What the schemas of a record mean for its table: the columns, and where each value comes from.
struct RecordShape {
    /// Where a column's value comes from.
    enum Origin: Hashable {
        case topic, partition, offset
        /// The whole key or value.
        case key, value
        /// A field of the key or value.
        case keyField(Int)
        case valueField(Int)
    }

    /// One column of the table.
    struct Column: Hashable {
        var sink: SinkColumn
        var origin: Origin
    }

    private(set) var columns: [Column] = []

    /// Works the columns out.
    /// - Throws: a data error if the options do not fit records of these schemas.
    init(keySchema: Schema?, valueSchema: Schema?, options: SinkOptions) throws(ConnectError) {
        var keys = try Self.keyColumns(keySchema, valueSchema, options)
        let keyNames = Set(keys.map(\.sink.name))
        var ordered: [Column] = []
        if options.keyMode == .kafka {
            ordered = keys
            keys = []
        }
        // In the value's order, a key that is a field of the value in its place; keys of other origin follow by name.
        for column in try Self.valueColumns(valueSchema, options) {
            if let index = keys.firstIndex(where: { $0.sink.name == column.sink.name }) {
                ordered.append(keys.remove(at: index))
            } else if !keyNames.contains(column.sink.name),
                options.fields.isEmpty || options.fields.contains(column.sink.name)
            {
                ordered.append(column)
            }
        }
        columns = ordered + keys.sorted { $0.sink.name < $1.sink.name }
        guard !columns.isEmpty else {
            throw .data("No field of the record is left to be written; check fields.whitelist and pk.fields")
        }
    }

    private static func keyColumns(
        _ keySchema: Schema?, _ valueSchema: Schema?, _ options: SinkOptions
    ) throws(ConnectError) -> [Column] {
        switch options.keyMode {
        case .none: return []
        case .kafka:
            let names =
                options.keyFields.count == 3
                ? options.keyFields : ["__connect_topic", "__connect_partition", "__connect_offset"]
            return [
                Column(sink: SinkColumn(name: names[0], schema: .string, isKey: true), origin: .topic),
                Column(sink: SinkColumn(name: names[1], schema: .int32, isKey: true), origin: .partition),
                Column(sink: SinkColumn(name: names[2], schema: .int64, isKey: true), origin: .offset),
            ]
        case .recordKey:
            guard let keySchema else { throw .data("pk.mode=record_key needs a key with a schema") }
            if keySchema.type == .structure {
                return try fields(of: keySchema, options, "key") { .keyField($0) }
            }
            guard options.keyFields.count == 1 else {
                throw .data("pk.mode=record_key with a key that is no struct needs exactly one name in pk.fields")
            }
            return [
                Column(sink: SinkColumn(name: options.keyFields[0], schema: keySchema, isKey: true), origin: .key)
            ]
        case .recordValue:
            guard let valueSchema, valueSchema.type == .structure else {
                throw .data("pk.mode=record_value needs a value that is a struct")
            }
            return try fields(of: valueSchema, options, "value") { .valueField($0) }
        }
    }

    private static func fields(
        of schema: Schema, _ options: SinkOptions, _ what: String, _ origin: (Int) -> Origin
    ) throws(ConnectError) -> [Column] {
        let names = options.keyFields.isEmpty ? schema.fields.map(\.name) : options.keyFields
        var columns: [Column] = []
        for name in names {
            guard let index = schema.index(of: name) else {
                throw .data(
                    "The record's \(what) has no field \(name), which pk.fields names; it has "
                        + schema.fields.map(\.name).joined(separator: ", "))
            }
            var sink = SinkColumn(name: name, schema: schema.fields[index].schema, isKey: true)
            if what == "value" { sink.epoch = options.epochUnit(of: schema.fields[index]) }
            columns.append(Column(sink: sink, origin: origin(index)))
        }
        return columns
    }

    private static func valueColumns(
        _ schema: Schema?, _ options: SinkOptions
    ) throws(ConnectError) -> [Column] {
        guard let schema else { return [] }
        if schema.type == .string {
            guard options.fields.isEmpty, options.epochFields.isEmpty else {
                throw .data("fields.whitelist and timestamp.fields.list must be empty for values that are strings")
            }
            let sink = SinkColumn(name: options.stringColumn, schema: .optionalString, isKey: false)
            return [Column(sink: sink, origin: .value)]
        }
        guard schema.type == .structure else {
            throw .data("The record's value is of type \(schema.type.rawValue); a sink needs a struct or a string")
        }
        return schema.fields.enumerated().map { index, field in
            var sink = SinkColumn(name: field.name, schema: field.schema, isKey: false)
            sink.epoch = options.epochUnit(of: field)
            return Column(sink: sink, origin: .valueField(index))
        }
    }
}

extension SinkOptions {
    /// Checks what does not depend on schemas' fields.
    func check(_ record: SinkRecord) throws(ConnectError) {
        var place: String { "\(record.topic)-\(record.partition), offset \(record.offset)" }
        guard !record.value.isNull || deletes else {
            throw .data(
                "The record at \(place) has no value (a tombstone); with delete.enabled=false a sink needs a value")
        }
        guard keyMode != .recordKey || !record.key.isNull && record.keySchema != nil else {
            throw .data("The record at \(place) has no key with a schema, which pk.mode=record_key needs")
        }
    }
}
