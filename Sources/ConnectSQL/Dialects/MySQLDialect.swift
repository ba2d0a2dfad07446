import ConnectAPI

/// MariaDB and MySQL.
struct MySQLDialect: SQLDialect {
    let name = "MySqlDatabaseDialect"
    var quoting = IdentifierQuoting()
    /// The URL's database.
    var database: String?
    /// `db.timezone`.
    var zone = SQLTimeZone.utc
    /// `date.timezone`.
    var dateZone = SQLTimeZone.utc

    var exactTextType: String { "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" }

    // MARK: metadata

    func tables(
        on connection: any SQLConnection, catalog: String?, schema: String?, types: [String]
    ) throws(SQLError) -> [TableID] {
        var sql = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE "
        var parameters: [SQLParameter] = []
        if let pattern = catalog ?? database, !pattern.isEmpty {
            sql += pattern.contains("%") ? "TABLE_SCHEMA LIKE ?" : "TABLE_SCHEMA = ?"
            parameters.append(.text(pattern))
        } else {
            sql += "TABLE_SCHEMA NOT IN ('information_schema','mysql','performance_schema','sys')"
        }
        let rows = try connection.rows(sql + " ORDER BY TABLE_SCHEMA, TABLE_NAME", parameters)
        let wanted = Set(types.map { $0.uppercased() })
        return rows.compactMap { row in
            guard row.count == 3, let catalog = row[0], let name = row[1], let type = row[2],
                wanted.contains(Self.kind(type).rawValue) || wanted.contains(type.uppercased())
            else { return nil }
            return TableID(catalog: catalog, name: name)
        }
    }

    func definition(of table: TableID, on connection: any SQLConnection) throws(SQLError) -> TableDefinition? {
        let catalog = table.catalog ?? database
        let place = catalog == nil ? "TABLE_SCHEMA = DATABASE()" : "TABLE_SCHEMA = ?"
        let parameters: [SQLParameter] = (catalog.map { [.text($0)] } ?? []) + [.text(table.name)]
        let kinds = try connection.rows(
            "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE \(place) AND TABLE_NAME = ?", parameters)
        guard let kind = kinds.first?.first.flatMap({ $0 }) else { return nil }
        let rows = try connection.rows(
            "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, EXTRA, COLUMN_KEY FROM information_schema.COLUMNS "
                + "WHERE \(place) AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", parameters)
        let columns = rows.compactMap { row -> ColumnDefinition? in
            guard row.count == 5, let name = row[0] else { return nil }
            return ColumnDefinition(
                name: name, type: row[1] ?? "", isNullable: row[2] == "YES",
                isAutoIncrement: row[3]?.contains("auto_increment") == true, isKey: row[4] == "PRI")
        }
        return TableDefinition(id: table, kind: Self.kind(kind), columns: columns)
    }

    func table(parts: [String]) -> TableID? {
        switch parts.count {
        case 1: TableID(catalog: database, name: parts[0])
        case 2: TableID(catalog: parts[0], name: parts[1])
        default: nil
        }
    }

    private static func kind(_ type: String) -> TableDefinition.Kind {
        switch type.uppercased() {
        case "BASE TABLE", "SYSTEM VERSIONED": .table
        case "VIEW": .view
        default: .other
        }
    }

    // MARK: source

    func byteOrder(_ column: String, _ type: String) -> String {
        type.contains("char") || type.contains("text") ? "CAST(\(column) AS BINARY)" : column
    }

    /// QUOTE tells null from any text, and where a value ends.
    func checksum(of columns: [String]) -> String? {
        let text = "CONCAT(\(columns.map { "QUOTE(\($0))" }.joined(separator: ",")))"
        return "COUNT(*), BIT_XOR(CAST(CONV(LEFT(MD5(\(text)), 16), 16, 10) AS UNSIGNED))"
    }

    /// Sessions here are in UTC, which is how a TIMESTAMP shows. A DATETIME holds what NOW() was in the server's zone.
    func now(on connection: any SQLConnection, isInstant: Bool) throws(SQLError) -> Int64 {
        let zoned = "COALESCE(CONVERT_TZ(UTC_TIMESTAMP(6),'+00:00',@@GLOBAL.time_zone),UTC_TIMESTAMP(6))"
        let rows = try connection.rows("SELECT CAST(\(isInstant ? "UTC_TIMESTAMP(6)" : zoned) AS CHAR)")
        guard var text = rows.first?.first.flatMap({ $0 }),
            let now = text.withUTF8({ CivilTime.parseTimestamp(UnsafeRawBufferPointer($0))?.microseconds })
        else { throw SQLError(.other, "the server's clock could not be read") }
        return now
    }

    func commitFence(
        _ table: TableID, _ criteria: SourceCriteria,
        connect: @escaping () throws(SQLError) -> any SQLConnection
    ) -> (any CommitFence)? {
        DirtyReadFence(table, criteria, self, connect: connect)
    }

    // MARK: sink

    func columnType(_ column: SinkColumn) -> String? {
        if column.epoch != nil { return "DATETIME(6)" }
        switch column.schema.logicalType {
        case .decimal(let scale)?: return "DECIMAL(65,\(min(max(scale, 0), 38)))"
        case .date?: return "DATE"
        case .time?: return "TIME(3)"
        case .timestamp?: return "DATETIME(3)"
        case nil: break
        }
        switch column.schema.type {
        case .int8, .boolean: return "TINYINT"
        case .int16: return "SMALLINT"
        case .int32: return "INT"
        case .int64: return "BIGINT"
        case .float32: return "FLOAT"
        case .float64: return "DOUBLE"
        // A key needs a length; the Java connector's TEXT fails there.
        case .string: return column.isKey ? "VARCHAR(255)" : "TEXT"
        // The Java connector's VARBINARY(1024) cannot take longer values.
        case .bytes: return column.isKey ? "VARBINARY(1024)" : "LONGBLOB"
        // No such type: JSON text, which functions such as JSON_VALUE read.
        case .array, .map, .structure: return column.isKey ? nil : "LONGTEXT"
        }
    }

    func literal(_ value: ConnectValue, of schema: Schema) -> String? {
        var text: [UInt8] = []
        switch (schema.logicalType, value) {
        case (.date?, .int32(let days)): CivilTime.appendDate(days: Int(days), to: &text)
        case (.time?, .int32(let time)): ParameterEncoder.appendTime(Int64(time), zone: zone, to: &text)
        case (.timestamp?, .int64(let instant)):
            CivilTime.appendTimestamp(milliseconds: zone.local(fromUTC: instant), to: &text)
        case (_, .string(let string)): text = Self.escaped(string)
        default: return plainLiteral(value, of: schema)
        }
        return "'\(String(decoding: text, as: UTF8.self))'"
    }

    /// Quotes and backslashes doubled: the session's mode makes the backslash an escape.
    private static func escaped(_ string: String) -> [UInt8] {
        var text: [UInt8] = []
        for byte in string.utf8 {
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\\") { text.append(byte) }
            text.append(byte)
        }
        return text
    }

    func encoder(for column: SinkColumn, target: ColumnDefinition?) -> ParameterEncoder? {
        if let unit = column.epoch { return .epochText(zone, unit) }
        switch column.schema.logicalType {
        case .decimal(let scale)?: return .decimalText(scale: scale)
        case .date?: return .dateText(dateZone)
        case .time?: return .timeText(zone)
        case .timestamp?: return .timestampText(zone)
        case nil: return ParameterEncoder(primitive: column.schema.type) ?? .json
        }
    }

    func write(
        _ kind: SQLWriteKind, _ table: TableID, columns: [SinkColumn], definition: TableDefinition?
    ) throws(SQLError) -> SQLWriteText {
        let others = columns.filter { !$0.isKey }
        // A row of keys only is set to what it is.
        let sets = (others.isEmpty ? columns : others).map { column in
            let name = quoting.quoted(column.name)
            return "\(name)=values(\(name))"
        }
        return rowStatement(
            kind, table, columns: columns, onConflict: " on duplicate key update \(sets.joined(separator: ","))")
    }
}
