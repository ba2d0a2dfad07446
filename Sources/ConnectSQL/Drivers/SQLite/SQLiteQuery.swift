import CSQLite
import ConnectAPI

/// A prepared SELECT on SQLite. Rows are read from the file as they are fetched.
final class SQLiteQuery: SQLQuery {
    private let statement: SQLiteStatement
    private let sqlite: UnsafePointer<SQLiteFunctions>
    private(set) var columns: [SQLColumn] = []
    private(set) var columnsVersion = 0
    /// How often SQLite has compiled the statement anew, which it does when the database's schema changes.
    private var compilations: Int32 = -1
    /// Whether a row has been stepped to that no fetch has taken.
    private var hasRow = false
    private var isOpen = false

    init(_ statement: SQLiteStatement) throws(SQLError) {
        self.statement = statement
        sqlite = statement.sqlite
        try describe()
    }

    func execute(_ parameters: [SQLParameter]) throws(SQLError) {
        statement.reset()
        isOpen = false
        try statement.bind(parameters)
        hasRow = try statement.step()
        isOpen = true
        if sqlite.pointee.sqlite3_stmt_status(statement.handle, SQLITE_STMTSTATUS_REPREPARE, 0) != compilations {
            try describe()
        }
        if !hasRow { reset() }
    }

    func fetch(
        _ decoders: [ColumnDecoder?], limit: Int, into rows: inout [[ConnectValue]]
    ) throws(SQLError) -> Bool {
        guard isOpen, decoders.count == columns.count else { return false }
        let wanted = decoders.reduce(0) { $0 + ($1 == nil ? 0 : 1) }
        var left = limit
        while hasRow {
            guard left > 0 else { return true }
            left -= 1
            var row: [ConnectValue] = []
            row.reserveCapacity(wanted)
            for (index, decoder) in decoders.enumerated() {
                guard let decoder else { continue }
                row.append(try value(Int32(index), decoder))
            }
            rows.append(row)
            hasRow = try statement.step()
        }
        reset()
        return false
    }

    func reset() {
        statement.reset()
        isOpen = false
        hasRow = false
    }

    func close() {
        statement.close()
    }

    // MARK: columns

    private func describe() throws(SQLError) {
        compilations = sqlite.pointee.sqlite3_stmt_status(statement.handle, SQLITE_STMTSTATUS_REPREPARE, 0)
        var described: [SQLColumn] = []
        for index in 0..<sqlite.pointee.sqlite3_column_count(statement.handle) {
            let label =
                sqlite.pointee.sqlite3_column_name(statement.handle, index).map { String(cString: $0) }
                ?? "column\(index)"
            let declared = sqlite.pointee.sqlite3_column_decltype(statement.handle, index).map { String(cString: $0) }
            var column = SQLColumn(label: label, type: SQLiteType.columnType(declared), isNullable: true)
            column.isUntyped = declared == nil
            addOrigin(index, to: &column)
            described.append(column)
        }
        if described != columns {
            columns = described
            columnsVersion += 1
        }
    }

    private func addOrigin(_ index: Int32, to column: inout SQLColumn) {
        guard let table = sqlite.pointee.sqlite3_column_table_name(statement.handle, index),
            let name = sqlite.pointee.sqlite3_column_origin_name(statement.handle, index)
        else { return }
        let schema = sqlite.pointee.sqlite3_column_database_name(statement.handle, index)
        var declared: UnsafePointer<CChar>?
        var isNotNull: Int32 = 0
        var isKey: Int32 = 0
        var isAutoIncrement: Int32 = 0
        let status = sqlite.pointee.sqlite3_table_column_metadata(
            statement.connection.handle, schema, table, name, &declared, nil, &isNotNull, &isKey, &isAutoIncrement)
        guard status == SQLITE_OK else { return }
        // `INTEGER PRIMARY KEY` is the row number: never null, and filled by SQLite, whatever the words say.
        let isRowNumber = isKey != 0 && declared.map { String(cString: $0).uppercased() } == "INTEGER"
        column.isNullable = isNotNull == 0 && !isRowNumber
        column.isAutoIncrement = isAutoIncrement != 0 || isRowNumber
    }

    // MARK: values

    private func value(_ index: Int32, _ decoder: ColumnDecoder) throws(SQLError) -> ConnectValue {
        let handle = statement.handle
        let storage = sqlite.pointee.sqlite3_column_type(handle, index)
        if storage == SQLITE_NULL { return .null }
        switch decoder {
        case .int8: return .int8(try integer(index, storage))
        case .int16: return .int16(try integer(index, storage))
        case .int32: return .int32(try integer(index, storage))
        case .int64, .bits: return .int64(try integer(index, storage))
        case .boolean: return .boolean(try integer(index, storage) as Int64 != 0)
        case .float32: return .float32(Float(try real(index, storage)))
        case .float64: return .float64(try real(index, storage))
        case .string: return .string(text(index))
        case .bytes: return .bytes(Array(bytes(index)))
        case .array: throw mismatch(index, "an array")
        case .decimal(let scale): return .bytes(try decimal(index, storage, scale))
        case .date:
            let milliseconds = try instant(index, storage)
            return .int32(Int32(truncatingIfNeeded: CivilTime.split(milliseconds: milliseconds).days))
        case .time:
            if storage == SQLITE_TEXT, let time = CivilTime.parseTime(bytes(index)) {
                return .int32(Int32(truncatingIfNeeded: time))
            }
            let milliseconds = try instant(index, storage)
            return .int32(Int32(truncatingIfNeeded: CivilTime.split(milliseconds: milliseconds).rest))
        case .localMicroseconds: return .int64(try integer(index, storage) as Int64 &* 1_000)
        case .timestamp(.connectLogical): return .int64(try instant(index, storage))
        case .timestamp(let granularity):
            let microseconds = try instantMicroseconds(index, storage)
            guard let value = granularity.value(localMicroseconds: microseconds, zone: .utc) else {
                throw mismatch(index, "a date that nanoseconds can tell")
            }
            return value
        case .year:
            let year = Int(try integer(index, storage) as Int64)
            return .int32(Int32(truncatingIfNeeded: CivilTime.days(year: year, month: 1, day: 1)))
        }
    }

    private func integer<Value: FixedWidthInteger>(_ index: Int32, _ storage: Int32) throws(SQLError) -> Value {
        let handle = statement.handle
        switch storage {
        case SQLITE_INTEGER:
            if let value = Value(exactly: sqlite.pointee.sqlite3_column_int64(handle, index)) { return value }
        case SQLITE_FLOAT:
            if let value = Value(exactly: sqlite.pointee.sqlite3_column_double(handle, index)) { return value }
        case SQLITE_TEXT:
            if let value = Value(text(index)) { return value }
        default: break
        }
        throw mismatch(index, "an integer of \(Value.bitWidth) bits")
    }

    private func real(_ index: Int32, _ storage: Int32) throws(SQLError) -> Double {
        if storage == SQLITE_INTEGER || storage == SQLITE_FLOAT {
            return sqlite.pointee.sqlite3_column_double(statement.handle, index)
        }
        if storage == SQLITE_TEXT, let value = Double(text(index)) { return value }
        throw mismatch(index, "a number")
    }

    private func decimal(_ index: Int32, _ storage: Int32, _ scale: Int) throws(SQLError) -> [UInt8] {
        if storage == SQLITE_INTEGER, scale == 0 {
            return DecimalText.minimal(sqlite.pointee.sqlite3_column_int64(statement.handle, index))
        }
        if storage != SQLITE_BLOB, let unscaled = DecimalText.unscaled(bytes(index), scale: scale) { return unscaled }
        throw mismatch(index, "a decimal number with \(scale) digits after the point")
    }

    /// Text as SQLite's own functions and people write it; a number is milliseconds since the epoch, as the JDBC
    /// driver stores it, a fraction is a Julian day.
    private func instant(_ index: Int32, _ storage: Int32) throws(SQLError) -> Int64 {
        CivilTime.split(microseconds: try instantMicroseconds(index, storage)).milliseconds
    }

    private func instantMicroseconds(_ index: Int32, _ storage: Int32) throws(SQLError) -> Int64 {
        switch storage {
        case SQLITE_INTEGER: return sqlite.pointee.sqlite3_column_int64(statement.handle, index) &* 1_000
        case SQLITE_FLOAT:
            let milliseconds =
                (sqlite.pointee.sqlite3_column_double(statement.handle, index) - 2_440_587.5) * 86_400_000
            if let value = Int64(exactly: milliseconds.rounded()) { return value &* 1_000 }
        case SQLITE_TEXT:
            if let parsed = CivilTime.parseTimestamp(bytes(index)) {
                return parsed.microseconds - Int64(parsed.offset ?? 0) * 1_000_000
            }
            if let value = Int64(text(index)) { return value &* 1_000 }
        default: break
        }
        throw mismatch(index, "a date or time")
    }

    private func text(_ index: Int32) -> String {
        String(decoding: bytes(index), as: UTF8.self)
    }

    /// The bytes of a column, valid until the next step.
    private func bytes(_ index: Int32) -> UnsafeRawBufferPointer {
        // The order is SQLite's: first the pointer in the wanted form, then the length in that form.
        let isBlob = sqlite.pointee.sqlite3_column_type(statement.handle, index) == SQLITE_BLOB
        let base: UnsafeRawPointer? =
            isBlob
            ? sqlite.pointee.sqlite3_column_blob(statement.handle, index)
            : sqlite.pointee.sqlite3_column_text(statement.handle, index).map { UnsafeRawPointer($0) }
        return UnsafeRawBufferPointer(
            start: base, count: Int(sqlite.pointee.sqlite3_column_bytes(statement.handle, index)))
    }

    private func mismatch(_ index: Int32, _ wanted: String) -> SQLError {
        let label = columns[Int(index)].label
        return SQLError(.data, sqlState: "22018", "column \(label) holds a value that is not \(wanted)")
    }
}
