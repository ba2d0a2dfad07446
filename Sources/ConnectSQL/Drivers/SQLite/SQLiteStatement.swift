import CSQLite
import ConnectAPI

/// A prepared statement and how to bind to it.
final class SQLiteStatement {
    /// Tells SQLite to copy what is bound (`SQLITE_TRANSIENT`, which Swift cannot import).
    static let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    let connection: SQLiteConnection
    let sqlite: UnsafePointer<SQLiteFunctions>
    private(set) var handle: OpaquePointer?

    init(_ connection: SQLiteConnection, _ sql: String) throws(SQLError) {
        self.connection = connection
        sqlite = connection.sqlite
        let database = try connection.open()
        let status = sqlite.pointee.sqlite3_prepare_v3(
            database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &handle, nil)
        try connection.check(status)
    }

    deinit {
        close()
    }

    /// - Returns: whether there is a row.
    func step() throws(SQLError) -> Bool {
        switch sqlite.pointee.sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let status: throw connection.failure(status)
        }
    }

    func bind(_ parameters: [SQLParameter]) throws(SQLError) {
        for (index, parameter) in parameters.enumerated() {
            let status =
                switch parameter {
                case .integer(let value): sqlite.pointee.sqlite3_bind_int64(handle, Int32(index + 1), value)
                case .text(let value):
                    sqlite.pointee.sqlite3_bind_text(handle, Int32(index + 1), value, -1, Self.copies)
                }
            try connection.check(status)
        }
    }

    /// Ends the execution; also gives up its locks.
    func reset() {
        _ = sqlite.pointee.sqlite3_reset(handle)
    }

    func close() {
        _ = sqlite.pointee.sqlite3_finalize(handle)
        handle = nil
    }
}

/// A prepared statement that is run for many rows. SQLite is in this process, so row by row is the fast way.
final class SQLiteWrite: SQLWrite {
    private let statement: SQLiteStatement
    private let sqlite: UnsafePointer<SQLiteFunctions>

    init(_ statement: SQLiteStatement) {
        self.statement = statement
        sqlite = statement.sqlite
    }

    func execute(_ batch: ParameterBatch) throws(SQLError) {
        for row in 0..<batch.count {
            for (index, column) in batch.columns.enumerated() {
                try statement.connection.check(bind(column, row: row, to: Int32(index + 1)))
            }
            defer { statement.reset() }
            _ = try statement.step()
        }
    }

    func close() {
        statement.close()
    }

    private func bind(_ column: ParameterBatch.Column, row: Int, to parameter: Int32) -> Int32 {
        let handle = statement.handle
        guard column.nulls[row] == 0 else { return sqlite.pointee.sqlite3_bind_null(handle, parameter) }
        switch column.kind {
        case .integer: return sqlite.pointee.sqlite3_bind_int64(handle, parameter, column.integers[row])
        case .real: return sqlite.pointee.sqlite3_bind_double(handle, parameter, column.reals[row])
        case .text, .bytes:
            let range = column.range(row)
            // The batch outlives the step, but a copy is what SQLite makes of small values anyway.
            return column.data.withUnsafeBytes { data in
                let bytes = UnsafeRawBufferPointer(rebasing: data[range])
                let copies = SQLiteStatement.copies
                guard let base = bytes.baseAddress, !bytes.isEmpty else {
                    return column.kind == .text
                        ? sqlite.pointee.sqlite3_bind_text(handle, parameter, "", 0, copies)
                        : sqlite.pointee.sqlite3_bind_zeroblob(handle, parameter, 0)
                }
                guard column.kind == .text else {
                    return sqlite.pointee.sqlite3_bind_blob64(handle, parameter, base, UInt64(bytes.count), copies)
                }
                let text = base.assumingMemoryBound(to: CChar.self)
                return sqlite.pointee.sqlite3_bind_text64(
                    handle, parameter, text, UInt64(bytes.count), copies, UInt8(SQLITE_UTF8))
            }
        }
    }
}
