import ConnectAPI

/// PostgreSQL.
struct PostgreSQLDialect: SQLDialect {
    let name = "PostgreSqlDatabaseDialect"
    var quoting = IdentifierQuoting(mark: "\"")
    /// `db.timezone`.
    var zone = SQLTimeZone.utc
    /// `date.timezone`.
    var dateZone = SQLTimeZone.utc

    // MARK: metadata

    func tables(
        on connection: any SQLConnection, catalog: String?, schema: String?, types: [String]
    ) throws(SQLError) -> [TableID] {
        var sql =
            "SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            + "ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','v','m','f') AND n.nspname NOT LIKE 'pg\\_%' "
            + "AND n.nspname <> 'information_schema'"
        var parameters: [SQLParameter] = []
        if let schema {
            sql += " AND n.nspname LIKE $1"
            parameters.append(.text(schema))
        }
        let wanted = Set(types.map { $0.uppercased() })
        let rows = try connection.rows(sql + " ORDER BY 1, 2", parameters)
        return rows.compactMap { row in
            guard row.count == 3, let schema = row[0], let name = row[1], let kind = row[2],
                wanted.contains(Self.kind(kind).rawValue)
            else { return nil }
            return TableID(catalog: schema, name: name)
        }
    }

    func definition(of table: TableID, on connection: any SQLConnection) throws(SQLError) -> TableDefinition? {
        // As the search path finds it; a name that was configured without quotes may mean lower case.
        let kinds = try connection.rows(
            "SELECT c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = COALESCE(to_regclass($1), "
                + "to_regclass($2))",
            [.text(IdentifierQuoting(mark: "\"").quoted(table)), .text(quoting.quoted(table))])
        guard let row = kinds.first, row.count == 2, let oid = row[0], let kind = row[1] else { return nil }
        let rows = try connection.rows(
            // Without the declared length, to which a cast would cut; a bit field has no other way to keep its own.
            "SELECT a.attname, format_type(a.atttypid, CASE a.atttypid WHEN 1560 THEN a.atttypmod ELSE -1 END), "
                + "a.attnotnull, a.attidentity <> '' OR "
                + "COALESCE(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false), COALESCE(i.indisprimary, false) "
                + "FROM pg_catalog.pg_attribute a "
                + "LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
                + "LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary "
                + "AND a.attnum = ANY(i.indkey) "
                + "WHERE a.attrelid = \(oid) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum", [])
        let columns = rows.compactMap { row -> ColumnDefinition? in
            guard row.count == 5, let name = row[0] else { return nil }
            return ColumnDefinition(
                name: name, type: row[1] ?? "text", isNullable: row[2] != "t", isAutoIncrement: row[3] == "t",
                isKey: row[4] == "t")
        }
        return TableDefinition(id: table, kind: Self.kind(kind), columns: columns)
    }

    /// A table, with its schema; a database before them is left out, as its JDBC driver does.
    func table(parts: [String]) -> TableID? {
        switch parts.count {
        case 1: TableID(name: parts[0])
        case 2: TableID(catalog: parts[0], name: parts[1])
        case 3: TableID(catalog: parts[1], name: parts[2])
        default: nil
        }
    }

    private static func kind(_ kind: String) -> TableDefinition.Kind {
        switch kind {
        case "r": .table
        case "p": .partitionedTable
        case "v": .view
        case "m": .materializedView
        case "f": .foreignTable
        default: .other
        }
    }

    // MARK: source

    func byteOrder(_ column: String, _ type: String) -> String {
        let isText = ["text", "character varying", "bpchar", "citext", "name"].contains(type)
        return isText ? "\(column)::text COLLATE \"C\"" : type == "uuid" ? "\(column)" : column
    }

    func checksum(of columns: [String]) -> String? {
        "count(*), sum(hashtextextended(ROW(\(columns.joined(separator: ",")))::text, 0)::numeric)"
    }

    func placeholder(_ number: Int) -> String { "$\(number)" }

    /// Sessions here are in UTC, which is how a timestamptz shows. A timestamp holds what now() was in the zone that
    /// sessions begin with.
    func now(on connection: any SQLConnection, isInstant: Bool) throws(SQLError) -> Int64 {
        let zone =
            isInstant
            ? "'UTC'" : "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'TimeZone')"
        let rows = try connection.rows("SELECT (clock_timestamp() AT TIME ZONE \(zone))::text", [])
        guard var text = rows.first?.first.flatMap({ $0 }),
            let now = text.withUTF8({ CivilTime.parseTimestamp(UnsafeRawBufferPointer($0))?.microseconds })
        else { throw SQLError(.other, "the server's clock could not be read") }
        return now
    }

    func commitFence(
        _ table: TableID, _ criteria: SourceCriteria,
        connect: @escaping () throws(SQLError) -> any SQLConnection
    ) -> (any CommitFence)? {
        LockFence(table, criteria, self)
    }

    // MARK: sink

    func columnType(_ column: SinkColumn) -> String? {
        if column.epoch != nil { return "TIMESTAMP" }
        switch column.schema.logicalType {
        case .decimal?: return "DECIMAL"
        case .date?: return "DATE"
        case .time?: return "TIME"
        case .timestamp?: return "TIMESTAMP"
        case nil: break
        }
        switch column.schema.type {
        case .int8, .int16: return "SMALLINT"
        case .int32: return "INT"
        case .int64: return "BIGINT"
        case .float32: return "REAL"
        case .float64: return "DOUBLE PRECISION"
        case .boolean: return "BOOLEAN"
        case .string: return "TEXT"
        case .bytes: return "BYTEA"
        case .array:
            guard let element = column.schema.valueSchema, element.type != .array else { return nil }
            return columnType(SinkColumn(name: column.name, schema: element, isKey: false)).map { $0 + "[]" }
        case .map, .structure: return nil
        }
    }

    func literal(_ value: ConnectValue, of schema: Schema) -> String? {
        var text: [UInt8] = []
        switch (schema.logicalType, value) {
        case (.date?, .int32(let days)): CivilTime.appendDate(days: Int(days), to: &text)
        case (.time?, .int32(let time)): ParameterEncoder.appendTime(Int64(time), zone: zone, to: &text)
        case (.timestamp?, .int64(let instant)):
            CivilTime.appendTimestamp(milliseconds: zone.local(fromUTC: instant), to: &text)
        case (nil, .string(let string)): text = Array(string.replacing("'", with: "''").utf8)
        case (nil, .boolean(let value)): return value ? "TRUE" : "FALSE"
        case (nil, .bytes):
            guard let hex = plainLiteral(value, of: schema) else { return nil }
            return "'\\x\(hex.dropFirst(2))"
        default: return plainLiteral(value, of: schema)
        }
        return "'\(String(decoding: text, as: UTF8.self))'"
    }

    func encoder(for column: SinkColumn, target: ColumnDefinition?) -> ParameterEncoder? {
        // The session's zone is UTC: a timestamptz gets the instant itself.
        let zone = target?.type == "timestamp with time zone" ? .utc : zone
        if let unit = column.epoch { return .epochText(zone, unit) }
        let schema = column.schema
        switch schema.logicalType {
        case .decimal(let scale)?: return .decimalText(scale: scale)
        case .date?: return .dateText(dateZone)
        case .time?: return .timeText(self.zone)
        case .timestamp?: return .timestampText(zone)
        case nil: break
        }
        if schema.type == .boolean { return .booleanText }
        if schema.type == .array, let element = schema.valueSchema, element.type != .array {
            return encoder(for: SinkColumn(name: column.name, schema: element, isKey: false), target: nil)
                .map { .arrayText($0) }
        }
        return ParameterEncoder(primitive: schema.type)
    }

    /// One array per column, unnested into rows: the server plans once, and writes them all. Texts are cast to the type
    /// of their column, which is what lets them be dates, numbers, documents, enumerators and arrays.
    func write(
        _ kind: SQLWriteKind, _ table: TableID, columns: [SinkColumn], definition: TableDefinition?
    ) throws(SQLError) -> SQLWriteText {
        guard let definition else {
            throw SQLError(.tableMissing, sqlState: "42P01", "Table \(table.qualifiedName) does not exist")
        }
        var arrays: [String] = []
        var values: [String] = []
        for (index, column) in columns.enumerated() {
            let target = definition.column(column.name)
            guard let encoder = encoder(for: column, target: target) else { continue }
            let element = PostgreSQLArray.element(encoder.kind).name
            arrays.append("$\(index + 1)::\(element)[]")
            values.append(Self.cast("u.x\(index)", encoder, to: target?.type ?? "text"))
        }
        // As the table writes them: a topic's field may differ in case.
        let names = columns.map { quoting.quoted(definition.column($0.name)?.name ?? $0.name) }
        let aliases = columns.indices.map { "x\($0)" }.joined(separator: ",")
        let rows = "unnest(\(arrays.joined(separator: ","))) AS u(\(aliases))"
        let keys = columns.indices.filter { columns[$0].isKey }
        let others = columns.indices.filter { !columns[$0].isKey }
        let condition = keys.map { "t.\(names[$0]) = \(values[$0])" }.joined(separator: " AND ")
        let quoted = quoting.quoted(table)
        let insert =
            "INSERT INTO \(quoted) (\(names.joined(separator: ","))) "
            + "SELECT \(values.joined(separator: ",")) FROM \(rows)"
        let text =
            switch kind {
            case .insert: insert
            case .upsert:
                insert + " ON CONFLICT (\(keys.map { names[$0] }.joined(separator: ","))) "
                    + (others.isEmpty
                        ? "DO NOTHING"
                        : "DO UPDATE SET \(others.map { "\(names[$0])=EXCLUDED.\(names[$0])" }.joined(separator: ","))")
            case .update:
                "UPDATE \(quoted) AS t SET \(others.map { "\(names[$0]) = \(values[$0])" }.joined(separator: ", ")) "
                    + "FROM \(rows) WHERE \(condition)"
            case .delete: "DELETE FROM \(quoted) AS t USING \(rows) WHERE \(condition)"
            }
        return SQLWriteText(head: text, parameterCount: columns.count)
    }

    private static func cast(_ value: String, _ encoder: ParameterEncoder, to type: String) -> String {
        switch (encoder.kind, type) {
        case (.text, "text"), (.integer, "bigint"), (.real, "double precision"), (.bytes, "bytea"): value
        case (.integer, "boolean"): "(\(value) <> 0)"
        case (.text, _) where encoder == .booleanText && type != "boolean": "\(value)::boolean::integer::\(type)"
        case (.real, "money"): "\(value)::numeric::money"
        default: "\(value)::\(type)"
        }
    }
}
