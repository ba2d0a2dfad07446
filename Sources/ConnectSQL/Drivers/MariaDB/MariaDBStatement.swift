import CMariaDB

/// A prepared statement.
final class MariaDBStatement {
    let connection: MariaDBConnection
    let mariaDB: UnsafePointer<MariaDBFunctions>
    let sql: String
    private(set) var handle: UnsafeMutablePointer<MYSQL_STMT>?

    init(_ connection: MariaDBConnection, _ sql: String) throws(SQLError) {
        self.connection = connection
        mariaDB = connection.mariaDB
        self.sql = sql
        handle = mariaDB.pointee.mysql_stmt_init(try connection.open())
        guard handle != nil else { throw connection.failure() }
        guard mariaDB.pointee.mysql_stmt_prepare(handle, sql, UInt(sql.utf8.count)) == 0 else {
            let error = failure()
            close()
            throw error
        }
    }

    deinit {
        close()
    }

    func execute() throws(SQLError) {
        _ = try connection.open()
        guard mariaDB.pointee.mysql_stmt_execute(handle) == 0 else { throw failure() }
    }

    /// The error of the last call.
    func failure() -> SQLError {
        // A connection that is killed within a result ends it without a number.
        guard mariaDB.pointee.mysql_stmt_errno(handle) != 0 else {
            let error = connection.failure()
            guard error.code == 0 else { return error }
            return SQLError(.connection, sqlState: "08S01", "the connection was lost within a result")
        }
        return MariaDBError.make(
            code: mariaDB.pointee.mysql_stmt_errno(handle), state: mariaDB.pointee.mysql_stmt_sqlstate(handle),
            message: mariaDB.pointee.mysql_stmt_error(handle))
    }

    func close() {
        _ = mariaDB.pointee.mysql_stmt_close(handle)
        handle = nil
    }
}
