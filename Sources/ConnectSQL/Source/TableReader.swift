import ConnectAPI

/// Reads one table, batch by batch. Holds a prepared statement as long as the connection and the table's definition
/// last.
final class TableReader {
    /// What a read gave.
    struct Rows {
        var records: [SourceRecord]
        /// The growing column's value in the last record.
        var incrementing: Int64?
        /// Whether the result goes on.
        var hasMore: Bool
    }

    let table: TableID
    /// The last value of the growing column that has been read.
    private(set) var position: Int64?
    /// Whether a result is open.
    private(set) var isReading = false
    /// Whether the last try found no such table.
    var isMissing = false

    private let options: SourceOptions
    private let topic: String
    private var query: (any SQLQuery)?
    private var column: String?
    private var shape: Shape?

    /// What depends only on the result's columns.
    private struct Shape {
        let version: Int
        let schema: Schema
        let decoders: [ColumnDecoder?]
        /// The growing column's place among the schema's fields.
        let incrementingIndex: Int?
    }

    init(_ table: TableID, _ options: SourceOptions, position: Int64?) {
        self.table = table
        self.options = options
        self.position = position
        topic = options.topicPrefix + table.name
    }

    /// Starts a read: all rows, or those past ``position``.
    func open(_ connection: any SQLConnection) throws {
        let query = try self.query ?? prepare(connection)
        self.query = query
        try query.execute(column == nil ? [] : [.integer(position ?? -1)])
        isMissing = false
        isReading = true
        if shape?.version != query.columnsVersion { shape = try makeShape(query) }
    }

    /// The next records of the open read.
    func read() throws -> Rows {
        guard let query, let shape else { return Rows(records: [], incrementing: nil, hasMore: false) }
        var rows: [[ConnectValue]] = []
        rows.reserveCapacity(min(options.batchRows, 1_024))
        let hasMore: Bool
        do throws(SQLError) {
            hasMore = try query.fetch(shape.decoders, limit: options.batchRows, into: &rows)
        } catch {
            isReading = false
            throw error
        }
        isReading = hasMore
        var records: [SourceRecord] = []
        records.reserveCapacity(rows.count)
        let (topic, schema) = (topic, shape.schema)
        for row in rows {
            let value = ConnectValue.structure(try Struct(schema: schema, values: row))
            records.append(SourceRecord(topic: topic, valueSchema: schema, value: value))
        }
        guard let index = shape.incrementingIndex, let last = rows.last else {
            return Rows(records: records, incrementing: nil, hasMore: hasMore)
        }
        let value = try incrementing(last[index], shape.schema.fields[index])
        position = value
        return Rows(records: records, incrementing: value, hasMore: hasMore)
    }

    /// Forgets statement and columns, which ended with their connection.
    func disconnect() {
        query?.close()
        query = nil
        shape = nil
        isReading = false
    }

    // MARK: statement

    private func prepare(_ connection: any SQLConnection) throws -> any SQLQuery {
        let dialect = options.database.dialect
        let suffix = options.querySuffix.isEmpty ? "" : " " + options.querySuffix
        guard case .incrementing(let name) = options.mode else {
            return try connection.prepareQuery(dialect.select(table) + suffix)
        }
        guard let definition = try dialect.definition(of: table, on: connection) else {
            throw SQLError(.tableMissing, sqlState: "42S02", "Table \(table.qualifiedName) does not exist")
        }
        column = try incrementingColumn(name, in: definition)?.name
        guard let column else { return try connection.prepareQuery(dialect.select(table) + suffix) }
        return try connection.prepareQuery(dialect.select(table, incrementing: column) + suffix)
    }

    private func incrementingColumn(
        _ name: String, in definition: TableDefinition
    ) throws(ConnectError) -> ColumnDefinition? {
        if name.isEmpty, let column = definition.columns.first(where: { $0.isAutoIncrement }) { return column }
        guard !name.isEmpty else {
            throw .config(
                "incrementing.column.name is empty and no column of table \(table.qualifiedName) is filled with "
                    + "growing numbers by the database; name a column, or use mode=bulk")
        }
        guard let column = definition.column(name) else {
            throw .config(
                "Table \(table.qualifiedName) has no column \(name), which incrementing.column.name names; its columns "
                    + "are \(definition.columns.map(\.name).joined(separator: ", "))")
        }
        if options.validatesNonNull, column.isNullable, definition.kind == .table {
            throw .config(
                "Cannot make incremental queries using incrementing column \(name) on \(table.qualifiedName) because "
                    + "this column is nullable: rows where it is null would be missed. Make it NOT NULL, or set "
                    + "validate.non.null=false")
        }
        return column
    }

    // MARK: columns

    private func makeShape(_ query: any SQLQuery) throws -> Shape {
        var fields: [Field] = []
        var decoders: [ColumnDecoder?] = []
        for column in query.columns {
            let mapped = options.typeMap.map(column)
            decoders.append(mapped?.decoder)
            if let mapped { fields.append(Field(column.label, mapped.schema)) }
        }
        let schema = Schema.structure(name: table.name, fields: fields)
        var index: Int?
        if let column {
            index = schema.index(of: column)
            guard let index else {
                throw ConnectError.config("Column \(column) of table \(table.qualifiedName) cannot be read")
            }
            try checkIncrementing(schema.fields[index])
        }
        return Shape(
            version: query.columnsVersion, schema: schema, decoders: decoders, incrementingIndex: index)
    }

    private func checkIncrementing(_ field: Field) throws(ConnectError) {
        switch (field.schema.type, field.schema.logicalType) {
        case (.int8, nil), (.int16, nil), (.int32, nil), (.int64, nil), (.bytes, .decimal(scale: 0)?): return
        default:
            throw .config(
                "Column \(field.name) of table \(table.qualifiedName) is no whole number (\(field.schema.type.rawValue)"
                    + "\(field.schema.name.map { ", " + $0 } ?? "")), which incrementing.column.name needs")
        }
    }

    private func incrementing(_ value: ConnectValue, _ field: Field) throws(ConnectError) -> Int64 {
        if let integer = value.integer { return integer }
        if case .bytes(let bytes) = value, bytes.count <= 8 {
            let start: Int64 = (bytes.first ?? 0) >= 0x80 ? -1 : 0
            return bytes.reduce(start) { $0 << 8 | Int64($1) }
        }
        throw .fatal(
            "Column \(field.name) of table \(table.qualifiedName) holds "
                + "\(value.isNull ? "null" : "a number above the range of int64"), which cannot be resumed from")
    }
}
