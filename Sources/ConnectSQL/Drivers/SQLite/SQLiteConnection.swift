import CSQLite
import ConnectAPI

/// A SQLite database file (or `:memory:`), through SQLite's own library.
final class SQLiteConnection: SQLConnection {
    /// How a database is opened.
    struct Options: Sendable, Hashable {
        /// A path, `:memory:`, or a `file:` URI.
        var path: String
        /// Whether a missing file is made.
        var creates = true
        /// How long to wait for another connection's lock, in milliseconds.
        var busyTimeout: Int32 = 5_000
        /// The journal to switch to; nil leaves the file as it is. WAL lets readers and one writer work side by side.
        var journalMode: String? = "WAL"
    }

    /// Nil once closed.
    private(set) var handle: OpaquePointer?
    private let options: Options
    let sqlite: UnsafePointer<SQLiteFunctions>
    private var versionStatement: OpaquePointer?

    init(_ options: Options) throws(SQLError) {
        self.options = options
        sqlite = try SQLiteLibrary.functions()
        var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX
        if options.creates { flags |= SQLITE_OPEN_CREATE }
        let status = sqlite.pointee.sqlite3_open_v2(options.path, &handle, flags, nil)
        guard status == SQLITE_OK else {
            let error = error(status, handle)
            _ = sqlite.pointee.sqlite3_close_v2(handle)
            handle = nil
            throw SQLError(.connection, sqlState: error.sqlState, code: error.code, "\(error.message): \(options.path)")
        }
        _ = sqlite.pointee.sqlite3_extended_result_codes(handle, 1)
        _ = sqlite.pointee.sqlite3_busy_timeout(handle, options.busyTimeout)
        try check(sqlite.pointee.sqlite3_exec(handle, "SELECT 1 FROM sqlite_master LIMIT 1", nil, nil, nil))
        if let mode = options.journalMode {
            // Not fatal: another connection may hold a lock, or the medium may not allow it.
            _ = sqlite.pointee.sqlite3_exec(handle, "PRAGMA journal_mode=\(mode)", nil, nil, nil)
        }
    }

    deinit {
        close()
    }

    func execute(_ sql: String) throws(SQLError) {
        try check(sqlite.pointee.sqlite3_exec(open(), sql, nil, nil, nil))
    }

    func prepareQuery(_ sql: String) throws(SQLError) -> any SQLQuery {
        try SQLiteQuery(SQLiteStatement(self, sql))
    }

    func prepareWrite(_ text: SQLWriteText) throws(SQLError) -> any SQLWrite {
        try SQLiteWrite(SQLiteStatement(self, text.text()))
    }

    func begin() throws(SQLError) {
        // Takes the write lock at once: a lock that a reader upgrades to later may fail with no time to wait.
        try execute("BEGIN IMMEDIATE")
    }

    func commit() throws(SQLError) {
        try execute("COMMIT")
    }

    func rollback() {
        guard let handle, sqlite.pointee.sqlite3_get_autocommit(handle) == 0 else { return }
        if sqlite.pointee.sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) != SQLITE_OK { close() }
    }

    func changeCounter() throws(SQLError) -> Int64? {
        if versionStatement == nil {
            try check(sqlite.pointee.sqlite3_prepare_v3(open(), "PRAGMA data_version", -1, 0, &versionStatement, nil))
        }
        defer { _ = sqlite.pointee.sqlite3_reset(versionStatement) }
        let status = sqlite.pointee.sqlite3_step(versionStatement)
        guard status == SQLITE_ROW else { throw failure(status) }
        return sqlite.pointee.sqlite3_column_int64(versionStatement, 0)
    }

    func close() {
        _ = sqlite.pointee.sqlite3_finalize(versionStatement)
        versionStatement = nil
        // The v2 form waits for statements that are still open instead of failing.
        _ = sqlite.pointee.sqlite3_close_v2(handle)
        handle = nil
    }

    /// The handle, or an error if the connection has been closed.
    func open() throws(SQLError) -> OpaquePointer {
        guard let handle else { throw SQLError(.connection, sqlState: "08003", "the connection is closed") }
        return handle
    }

    func check(_ status: Int32) throws(SQLError) {
        guard status == SQLITE_OK else { throw failure(status) }
    }

    /// The error of the last call.
    func failure(_ status: Int32) -> SQLError {
        error(status, handle)
    }

    private func error(_ status: Int32, _ handle: OpaquePointer?) -> SQLError {
        let text = handle == nil ? sqlite.pointee.sqlite3_errstr(status) : sqlite.pointee.sqlite3_errmsg(handle)
        let message = text.map { String(cString: $0) } ?? "unknown error"
        let code = Int(status)
        switch status & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_NOMEM, SQLITE_FULL:
            return SQLError(.transient, sqlState: "40001", code: code, message)
        case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_PROTOCOL:
            return SQLError(.connection, sqlState: "08000", code: code, message)
        case SQLITE_CONSTRAINT:
            return SQLError(.data, sqlState: "23000", code: code, message)
        case SQLITE_MISMATCH, SQLITE_TOOBIG, SQLITE_RANGE:
            return SQLError(.data, sqlState: "22000", code: code, message)
        case SQLITE_ERROR where message.hasPrefix("no such table"):
            return SQLError(.tableMissing, sqlState: "42S02", code: code, message)
        default:
            return SQLError(.other, sqlState: "HY000", code: code, message)
        }
    }
}
