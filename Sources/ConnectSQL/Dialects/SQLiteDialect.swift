import ConnectAPI

/// SQLite.
struct SQLiteDialect: SQLDialect {
    let name = "SqliteDatabaseDialect"
    var quoting = IdentifierQuoting()
    /// Texts without a zone are in UTC, as SQLite's own functions have it.
    let zone = SQLTimeZone.utc

    let locksRows = false

    // MARK: metadata

    func tables(
        on connection: any SQLConnection, catalog: String?, schema: String?, types: [String]
    ) throws(SQLError) -> [TableID] {
        let wanted = Set(types.map { $0.uppercased() })
        let rows = try connection.rows(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table','view') AND name NOT LIKE 'sqlite\\_%' "
                + "ESCAPE '\\' ORDER BY type, name")
        return rows.compactMap { row in
            guard row.count == 2, let type = row[0], let name = row[1], wanted.contains(type.uppercased()) else {
                return nil
            }
            return TableID(name: name)
        }
    }

    func definition(of table: TableID, on connection: any SQLConnection) throws(SQLError) -> TableDefinition? {
        let kinds = try connection.rows(
            "SELECT type FROM sqlite_master WHERE type IN ('table','view') AND name = ? COLLATE NOCASE",
            [.text(table.name)])
        guard let kind = kinds.first?.first.flatMap({ $0 }) else { return nil }
        let rows = try connection.rows(
            "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?) ORDER BY cid", [.text(table.name)])
        let columns = rows.compactMap { row -> ColumnDefinition? in
            guard row.count == 4, let name = row[0] else { return nil }
            let isKey = row[3] != "0"
            // `INTEGER PRIMARY KEY` is the row number: never null, and filled by SQLite.
            let isRowNumber = isKey && row[1]?.uppercased() == "INTEGER"
            return ColumnDefinition(
                name: name, type: row[1] ?? "", isNullable: row[2] == "0" && !isRowNumber,
                isAutoIncrement: isRowNumber, isKey: isKey)
        }
        return TableDefinition(id: table, kind: kind == "view" ? .view : .table, columns: columns)
    }

    func table(parts: [String]) -> TableID? {
        parts.count == 1 ? TableID(name: parts[0]) : nil
    }

    // MARK: source

    func byteOrder(_ column: String, _ type: String) -> String { "\(column) COLLATE BINARY" }

    /// Milliseconds since the epoch, whether a value is held as such, as a Julian day, or as text.
    func timestamp(of columns: [String]) -> String {
        let values = columns.map { column in
            "CASE typeof(\(column)) WHEN 'integer' THEN \(column) "
                + "ELSE CAST(round((julianday(\(column))-2440587.5)*86400000) AS INTEGER) END"
        }
        return values.count == 1 ? values[0] : "COALESCE(\(values.joined(separator: ",")))"
    }

    func timestampParameter(_ localMicroseconds: Int64) -> SQLParameter {
        .integer(CivilTime.split(microseconds: localMicroseconds).milliseconds)
    }

    func now(on connection: any SQLConnection, isInstant: Bool) throws(SQLError) -> Int64 {
        let rows = try connection.rows("SELECT CAST(round((julianday('now')-2440587.5)*86400000) AS INTEGER)")
        guard let text = rows.first?.first.flatMap({ $0 }), let milliseconds = Int64(text) else {
            throw SQLError(.other, "the clock could not be read")
        }
        return milliseconds * 1_000
    }

    // MARK: sink

    func columnType(_ column: SinkColumn) -> String? {
        if column.schema.logicalType != nil || column.epoch != nil { return "NUMERIC" }
        switch column.schema.type {
        case .int8, .int16, .int32, .int64, .boolean: return "INTEGER"
        case .float32, .float64: return "REAL"
        case .string: return "TEXT"
        case .bytes: return "BLOB"
        case .array, .map, .structure: return column.isKey ? nil : "TEXT"
        }
    }

    func literal(_ value: ConnectValue, of schema: Schema) -> String? {
        switch (schema.logicalType, value) {
        // As the values are stored: milliseconds.
        case (.date?, .int32(let days)): return String(Int64(days) * CivilTime.millisecondsPerDay)
        case (_, .string(let string)):
            return "'" + string.unicodeScalars.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
        default: return plainLiteral(value, of: schema)
        }
    }

    func encoder(for column: SinkColumn, target: ColumnDefinition?) -> ParameterEncoder? {
        if let unit = column.epoch { return .epochMilliseconds(unit) }
        switch column.schema.logicalType {
        case .decimal(let scale)?: return .decimalText(scale: scale)
        // The JDBC driver stores dates and times as milliseconds since the epoch.
        case .date?: return .dateMilliseconds
        case .time?, .timestamp?: return .integer
        case nil: return ParameterEncoder(primitive: column.schema.type) ?? .json
        }
    }

    /// Not the Java connector's `INSERT OR REPLACE`, which deletes the old row: that loses columns that the record
    /// does not have, and fires the triggers and foreign keys of a delete.
    func write(
        _ kind: SQLWriteKind, _ table: TableID, columns: [SinkColumn], definition: TableDefinition?
    ) throws(SQLError) -> SQLWriteText {
        let keys = columns.filter(\.isKey).map { quoting.quoted($0.name) }.joined(separator: ",")
        let sets = columns.filter { !$0.isKey }.map { column in
            let name = quoting.quoted(column.name)
            return "\(name)=excluded.\(name)"
        }
        let action = sets.isEmpty ? "NOTHING" : "UPDATE SET \(sets.joined(separator: ","))"
        return rowStatement(kind, table, columns: columns, onConflict: " ON CONFLICT(\(keys)) DO \(action)")
    }

    func alter(_ table: TableID, adding columns: [SinkColumn]) throws(ConnectError) -> [String] {
        var statements: [String] = []
        for column in columns {
            statements.append("ALTER TABLE \(quoting.quoted(table)) ADD \(try definition(of: column, in: table))")
        }
        return statements
    }
}
