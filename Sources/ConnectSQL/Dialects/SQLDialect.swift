import ConnectAPI

/// What SQL text a database wants. A dialect holds no connection and no state.
protocol SQLDialect: Sendable {
    /// The name that `dialect.name` gives.
    var name: String { get }
    /// How names are written.
    var quoting: IdentifierQuoting { get }

    // MARK: metadata

    /// The tables that a source may read, in a stable order. `types` are JDBC's, such as `TABLE` and `VIEW`.
    func tables(
        on connection: any SQLConnection, catalog: String?, schema: String?, types: [String]
    ) throws(SQLError) -> [TableID]
    /// A table's columns; nil if there is no such table.
    func definition(of table: TableID, on connection: any SQLConnection) throws(SQLError) -> TableDefinition?
    /// The table that parts of a configured name mean: one part, or database and table.
    func table(parts: [String]) -> TableID?

    // MARK: source

    /// How the number-th parameter of a query, from 1, is written.
    func placeholder(_ number: Int) -> String
    /// The zone in which a date and time without a zone is meant (`db.timezone`).
    var zone: SQLTimeZone { get }
    /// What rows are ordered by so that texts come in the order of their bytes, as in every other database.
    func byteOrder(_ column: String, _ type: String) -> String
    /// The timestamp of a row: that of the first column that is not null. Read with
    /// ``ColumnDecoder/localMicroseconds``.
    func timestamp(of columns: [String]) -> String
    /// A local date and time, in microseconds since 1970-01-01 00:00, to compare ``timestamp(of:)`` with.
    func timestampParameter(_ localMicroseconds: Int64) -> SQLParameter
    /// Guards reads of a table against rows that are committed late; nil where rows become visible in the order in
    /// which they are written.
    func commitFence(
        _ table: TableID, _ criteria: SourceCriteria,
        connect: @escaping () throws(SQLError) -> any SQLConnection
    ) -> (any CommitFence)?
    /// What the database's clock shows, in microseconds since 1970-01-01 00:00: as columns of instants are read
    /// (`isInstant`), or as the server's own zone shows it.
    func now(on connection: any SQLConnection, isInstant: Bool) throws(SQLError) -> Int64

    /// What a SELECT lists to get the number of rows and a checksum of these columns (quoted), whatever the rows' order;
    /// nil if the database has no such function.
    func checksum(of columns: [String]) -> String?

    // MARK: sink

    /// The type of a column for values of a schema; nil if the database has none.
    func columnType(_ column: SinkColumn) -> String?
    /// A default value as it stands in DDL.
    func literal(_ value: ConnectValue, of schema: Schema) -> String?
    /// How values for a column are handed to the driver; `target` is what the table has, where that is known. Nil if
    /// they cannot be.
    func encoder(for column: SinkColumn, target: ColumnDefinition?) -> ParameterEncoder?
    /// The statement for rows of these columns; all but an insert find rows by the columns that are keys. The
    /// parameters are the columns in their order: for an update the keys come last, for a delete there are only keys.
    func write(
        _ kind: SQLWriteKind, _ table: TableID, columns: [SinkColumn], definition: TableDefinition?
    ) throws(SQLError) -> SQLWriteText
    /// A column type for names that are compared byte by byte and may be part of a key.
    var exactTextType: String { get }
    /// Whether `SELECT … FOR UPDATE` locks rows; false where a transaction locks the whole database.
    var locksRows: Bool { get }
    /// The statement that makes a column wider for values of a schema; nil if it holds them already, or if that is not
    /// known. `declaration` gives the table as the database would create it.
    func widen(
        _ column: ColumnDefinition, for schema: Schema, of table: TableID,
        declaration: () throws(SQLError) -> String?
    ) throws(SQLError) -> String?
    /// The statements that add columns.
    func alter(_ table: TableID, adding columns: [SinkColumn]) throws(ConnectError) -> [String]
}

/// A column that a sink writes.
struct SinkColumn: Sendable, Hashable {
    var name: String
    var schema: Schema
    var isKey: Bool
    /// What a number or text counts since the epoch (`timestamp.fields.list`); nil for all other fields.
    var epoch: EpochUnit?

    /// `timestamp.precision.mode`.
    enum EpochUnit: String, Sendable, Hashable {
        case microseconds, nanoseconds
    }
}

/// What a sink does with rows.
enum SQLWriteKind: Sendable, Hashable {
    case insert, upsert, update, delete
}

extension SQLDialect {
    func placeholder(_ number: Int) -> String { "?" }
    var exactTextType: String { "VARCHAR(255)" }
    var locksRows: Bool { true }
    func checksum(of columns: [String]) -> String? { nil }

    func timestamp(of columns: [String]) -> String {
        columns.count == 1 ? columns[0] : "COALESCE(\(columns.joined(separator: ",")))"
    }

    func timestampParameter(_ localMicroseconds: Int64) -> SQLParameter {
        var text: [UInt8] = []
        CivilTime.appendTimestamp(microseconds: localMicroseconds, to: &text)
        return .text(String(decoding: text, as: UTF8.self))
    }

    /// One statement that adds all columns.
    func alter(_ table: TableID, adding columns: [SinkColumn]) throws(ConnectError) -> [String] {
        var lines: [String] = []
        for column in columns { lines.append("ADD \(try definition(of: column, in: table))") }
        return ["ALTER TABLE \(quoting.quoted(table)) \(lines.joined(separator: ",\n"))"]
    }

    /// Nothing: the database takes values of any width.
    func widen(
        _ column: ColumnDefinition, for schema: Schema, of table: TableID,
        declaration: () throws(SQLError) -> String?
    ) throws(SQLError) -> String? {
        nil
    }

    func commitFence(
        _ table: TableID, _ criteria: SourceCriteria,
        connect: @escaping () throws(SQLError) -> any SQLConnection
    ) -> (any CommitFence)? {
        nil
    }

    /// The statement with one mark per parameter. `onConflict` follows the rows of an upsert.
    func rowStatement(
        _ kind: SQLWriteKind, _ table: TableID, columns: [SinkColumn], onConflict: @autoclosure () -> String
    ) -> SQLWriteText {
        switch kind {
        case .insert: return insert(into: table, columns: columns)
        case .upsert:
            var text = insert(into: table, columns: columns)
            text.tail = onConflict()
            return text
        case .update: return update(table, columns: columns)
        case .delete: return delete(from: table, keys: columns)
        }
    }

    private func insert(into table: TableID, columns: [SinkColumn]) -> SQLWriteText {
        let names = columns.map { quoting.quoted($0.name) }.joined(separator: ",")
        let marks = Array(repeating: "?", count: columns.count).joined(separator: ",")
        return SQLWriteText(
            head: "INSERT INTO \(quoting.quoted(table))(\(names)) VALUES", row: "(\(marks))",
            parameterCount: columns.count)
    }

    private func update(_ table: TableID, columns: [SinkColumn]) -> SQLWriteText {
        let others = columns.filter { !$0.isKey }.map { "\(quoting.quoted($0.name)) = ?" }.joined(separator: ", ")
        return SQLWriteText(
            head: "UPDATE \(quoting.quoted(table)) SET \(others) WHERE \(keyCondition(columns))",
            parameterCount: columns.count)
    }

    private func delete(from table: TableID, keys: [SinkColumn]) -> SQLWriteText {
        SQLWriteText(
            head: "DELETE FROM \(quoting.quoted(table)) WHERE \(keyCondition(keys))", parameterCount: keys.count)
    }

    private func keyCondition(_ columns: [SinkColumn]) -> String {
        columns.filter(\.isKey).map { "\(quoting.quoted($0.name)) = ?" }.joined(separator: " AND ")
    }

    func create(_ table: TableID, columns: [SinkColumn]) throws(ConnectError) -> String {
        var lines: [String] = []
        for column in columns { lines.append(try definition(of: column, in: table)) }
        let keys = columns.filter(\.isKey).map { quoting.quoted($0.name) }
        if !keys.isEmpty { lines.append("PRIMARY KEY(\(keys.joined(separator: ",")))") }
        return "CREATE TABLE \(quoting.quoted(table)) (\n\(lines.joined(separator: ",\n")))"
    }

    /// `name type DEFAULT x`, `… NULL` or `… NOT NULL`.
    func definition(of column: SinkColumn, in table: TableID) throws(ConnectError) -> String {
        guard let type = columnType(column) else {
            throw .data(
                "Field \(column.name) for table \(table.qualifiedName) is of type \(column.schema.type.rawValue)"
                    + "\(column.schema.name.map { " (\($0))" } ?? ""), which has no column type in SQL; flatten or "
                    + "drop it with a transformation or fields.whitelist")
        }
        var text = "\(quoting.quoted(column.name)) \(type)"
        if let value = column.schema.defaultValue, !value.isNull, let literal = literal(value, of: column.schema) {
            text += " DEFAULT \(literal)"
        } else if column.schema.isOptional, !column.isKey {
            text += " NULL"
        } else {
            text += " NOT NULL"
        }
        return text
    }

    /// Numbers, booleans and bytes, which every database writes alike.
    func plainLiteral(_ value: ConnectValue, of schema: Schema) -> String? {
        switch value {
        case .int8, .int16, .int32, .int64: return value.integer.map { String($0) }
        case .float32(let value): return value.isFinite ? "\(value)" : nil
        case .float64(let value): return value.isFinite ? "\(value)" : nil
        case .boolean(let value): return value ? "1" : "0"
        case .bytes(let bytes):
            if case .decimal(let scale)? = schema.logicalType {
                var text: [UInt8] = []
                DecimalText.append(bytes, scale: scale, to: &text)
                return String(decoding: text, as: UTF8.self)
            }
            let digits = Array("0123456789abcdef".utf8)
            var hex: [UInt8] = []
            for byte in bytes { hex += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
            return "x'\(String(decoding: hex, as: UTF8.self))'"
        default: return nil
        }
    }
}
