import ConnectAPI

/// A statement for records of one pair of schemas, and how their values become its parameters.
final class WritePlan {
    let keySchema: Schema?
    /// Nil for deletes.
    let valueSchema: Schema?
    let isDelete: Bool
    /// In the order of the statement's parameters.
    private let columns: [RecordShape.Column]
    private let origins: [RecordShape.Origin]
    private let encoders: [ParameterEncoder]
    private let defaults: [ConnectValue?]
    private let order: KeyOrder
    private let write: any SQLWrite

    /// Works the columns out, sees to it that the table has them, and prepares the statement.
    init(
        for record: SinkRecord, _ table: TableID, _ options: SinkOptions, _ tables: TableKeeper,
        _ connection: any SQLConnection
    ) throws {
        isDelete = record.value.isNull
        keySchema = record.keySchema
        valueSchema = isDelete ? nil : record.valueSchema
        let shape = try Self.shape(of: record, options)
        let dialect = options.database.dialect
        let sinkColumns = shape.columns.map(\.sink)
        for column in sinkColumns where dialect.encoder(for: column, target: nil) == nil {
            _ = try dialect.definition(of: column, in: table)
            throw ConnectError.data("Field \(column.name) of table \(table.qualifiedName) cannot be written")
        }
        let definition = try tables.prepare(table, columns: sinkColumns, connection)
        // With ddl.mode=skip, fields without a column are left out.
        let known = shape.columns.filter { options.ddlMode != .skip || definition?.column($0.sink.name) != nil }
        let isUpdate = options.insertMode == .update && !isDelete
        if isUpdate, sinkColumns.allSatisfy(\.isKey) {
            throw ConnectError.data(
                "insert.mode=update has nothing to change in table \(table.qualifiedName): every field of the record "
                    + "is part of the key; name the key's fields in pk.fields")
        }
        columns =
            isUpdate ? known.filter { !$0.sink.isKey } + known.filter(\.sink.isKey) : known
        origins = columns.map(\.origin)
        encoders = columns.compactMap {
            dialect.encoder(for: $0.sink, target: definition?.column($0.sink.name))
        }
        defaults = columns.map { options.replacesNullWithDefault ? $0.sink.schema.defaultValue : nil }
        let parameters = columns.map(\.sink)
        let kind: SQLWriteKind = isDelete ? .delete : options.insertMode.kind
        let text = try dialect.write(kind, table, columns: parameters, definition: definition)
        if isDelete || options.insertMode != .insert {
            let keys = parameters.indices.filter { parameters[$0].isKey }
            let encoders = encoders
            order = KeyOrder(
                keys: keys,
                isSortable: keys.allSatisfy { index in
                    let type = definition?.column(parameters[index].name)?.type ?? ""
                    return [.text, .integer].contains(encoders[index])
                        && KeyOrder.canSort(encoders[index].kind, type)
                })
        } else {
            order = KeyOrder()
        }
        write = try connection.prepareWrite(text)
    }

    /// Whether a record of these schemas can be written by this statement.
    func fits(_ record: SinkRecord, keyMatters: Bool) -> Bool {
        guard record.value.isNull == isDelete else { return false }
        return (isDelete || Self.same(valueSchema, record.valueSchema))
            && (!keyMatters || Self.same(keySchema, record.keySchema))
    }

    /// A batch for rows of this statement.
    func makeBatch(reserving rows: Int) -> ParameterBatch {
        ParameterBatch(encoders.map(\.kind), reserving: rows)
    }

    /// Writes the rows: those of the same key once.
    func execute(_ batch: ParameterBatch) throws(SQLError) {
        try write.execute(order.apply(to: batch))
    }

    func close() {
        write.close()
    }

    /// Appends a record's values as a row.
    func append(_ record: SinkRecord, to batch: inout ParameterBatch, _ table: TableID) throws(ConnectError) {
        let key = record.key.structValue?.values ?? []
        let value = record.value.structValue?.values ?? []
        for index in origins.indices {
            var field: ConnectValue
            switch origins[index] {
            case .valueField(let position): field = position < value.count ? value[position] : .null
            case .keyField(let position): field = position < key.count ? key[position] : .null
            case .key: field = record.key
            case .value: field = record.value
            case .topic: field = .string(record.topic)
            case .partition: field = .int32(record.partition)
            case .offset: field = .int64(record.offset)
            }
            if field.isNull, let value = defaults[index] { field = value }
            guard encoders[index].append(field, to: &batch.columns[index]) else {
                batch.abandonRow()
                let column = columns[index].sink
                throw .data(
                    "The value for column \(column.name) of table \(table.qualifiedName) is of type "
                        + "\(field.type?.rawValue ?? "null"), but its schema says \(column.schema.type.rawValue) "
                        + "(\(record.topic)-\(record.partition), offset \(record.offset))")
            }
        }
        batch.finishRow()
    }

    private static func shape(of record: SinkRecord, _ options: SinkOptions) throws(ConnectError) -> RecordShape {
        do throws(ConnectError) {
            return try RecordShape(
                keySchema: record.keySchema, valueSchema: record.value.isNull ? nil : record.valueSchema,
                options: options)
        } catch {
            throw .data("\(error.message) (\(record.topic)-\(record.partition), offset \(record.offset))")
        }
    }

    private static func same(_ lhs: Schema?, _ rhs: Schema?) -> Bool {
        lhs === rhs || lhs == rhs
    }
}
