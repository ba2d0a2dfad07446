/// What a database said no with.
struct SQLError: Error, Sendable {
    /// What the caller does about an error.
    enum Kind: Sendable {
        /// The connection is gone or could not be made: reconnect and try again.
        case connection
        /// The server could not do it now (deadlock, lock wait, busy, shutting down): try again.
        case transient
        /// The values do not fit the table (SQLState classes 22 and 23): trying again is pointless.
        case data
        /// A table does not exist.
        case tableMissing
        /// Everything else: bad SQL, missing rights, bad configuration.
        case other
    }

    /// What to do about it.
    var kind: Kind
    /// The five characters of the SQL standard.
    var sqlState: String
    /// The database's own number.
    var code: Int
    /// The database's text. Drivers never put a password into it.
    var message: String

    init(_ kind: Kind, sqlState: String = "HY000", code: Int = 0, _ message: String) {
        self.kind = kind
        self.sqlState = sqlState
        self.code = code
        self.message = message
    }

    /// Whether the same call may succeed later.
    var isRetriable: Bool { kind == .connection || kind == .transient }
}

extension SQLError: CustomStringConvertible {
    /// The text with SQLState and number, as an operator searches for them.
    var description: String { "\(message) (SQLState \(sqlState), code \(code))" }
}
