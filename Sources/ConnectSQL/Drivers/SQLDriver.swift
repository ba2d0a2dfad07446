import ConnectAPI

// The seam between drivers and the rest: a driver moves bytes and knows one vendor's C library; what SQL text to send
// is the dialect's business. All calls block and are made by one thread at a time. Rows and parameters cross the seam
// in batches, so that a call through an existential costs nothing per row.

/// An open connection.
protocol SQLConnection: AnyObject {
    /// Runs a statement that gives no rows, or whose rows are not wanted.
    func execute(_ sql: String) throws(SQLError)
    /// Prepares a statement that gives rows.
    func prepareQuery(_ sql: String) throws(SQLError) -> any SQLQuery
    /// Prepares a statement that is run for many rows of parameters.
    func prepareWrite(_ text: SQLWriteText) throws(SQLError) -> any SQLWrite
    /// All rows of a small result, as text.
    func rows(_ sql: String, _ parameters: [SQLParameter]) throws(SQLError) -> [[String?]]
    /// Starts a transaction.
    func begin() throws(SQLError)
    /// Makes the transaction's changes permanent.
    func commit() throws(SQLError)
    /// Throws the transaction's changes away. Never fails: a connection that cannot roll back is closed.
    func rollback()
    /// A number that differs once another connection has changed the database; nil if the driver has no cheap way.
    func changeCounter() throws(SQLError) -> Int64?
    /// Closes the connection. May be called twice.
    func close()
}

/// A prepared statement that gives rows.
protocol SQLQuery: AnyObject {
    /// Starts a result; what is left of the one before is thrown away.
    func execute(_ parameters: [SQLParameter]) throws(SQLError)
    /// The columns of the result that is open.
    var columns: [SQLColumn] { get }
    /// Changes whenever ``columns`` changes: a table was altered between two executions.
    var columnsVersion: Int { get }
    /// Appends at most `limit` rows of the open result to `rows`. `decoders` has one entry per column; a column whose
    /// entry is nil is left out of the row.
    /// - Returns: false once the result has been read to its end.
    func fetch(
        _ decoders: [ColumnDecoder?], limit: Int, into rows: inout [[ConnectValue]]
    ) throws(SQLError) -> Bool
    /// As ``fetch(_:limit:into:)`` with packed rows, of which there may be fewer than `limit` if they are long. No
    /// decoder makes arrays.
    func fetchRows(_ decoders: [ColumnDecoder?], limit: Int, into rows: inout RecordRows) throws(SQLError) -> Bool
    /// Throws the rest of the result away; the statement stays prepared.
    func reset()
    /// Frees the statement. May be called twice.
    func close()
}

/// A prepared statement that is run once per row of parameters.
protocol SQLWrite: AnyObject {
    /// Runs the statement for each row, in order, by the fastest way the database has.
    func execute(_ batch: ParameterBatch) throws(SQLError)
    /// Frees the statement. May be called twice.
    func close()
}

/// The text of a statement in three parts, so that a driver can repeat the middle: `INSERT INTO t(a,b) VALUES`,
/// `(?,?)`, and what follows the rows. A statement that cannot be repeated has an empty `row`.
struct SQLWriteText: Sendable, Hashable {
    var head: String
    var row = ""
    var tail = ""
    /// How many parameters one row has.
    var parameterCount: Int
    /// Whether it is run for one row at a time, so that its parameters are single values, never arrays of a column's.
    var isForSingleRows = false

    /// The statement for `rows` rows at once.
    func text(rows: Int = 1) -> String {
        row.isEmpty ? head : head + Array(repeating: row, count: rows).joined(separator: ",") + tail
    }
}

/// One parameter of a query.
enum SQLParameter: Sendable, Hashable {
    case integer(Int64)
    case text(String)
}

/// What a driver tells of a result's column.
struct SQLColumn: Sendable, Hashable {
    /// The column's label: its alias, or its name.
    var label: String
    /// The type, told apart as far as records need it.
    var type: SQLColumnType
    /// False only if the database promises it.
    var isNullable: Bool
    /// Whether the database fills the column with growing numbers.
    var isAutoIncrement = false
    /// How many digits of a second's fraction a timestamp has, as far as the database tells.
    var fractionDigits = 0
    /// Whether a timestamp is an instant that the database shows in the session's zone.
    var isInstant = false
    /// Whether the database knows no type (SQLite's expressions), so that ``type`` is a makeshift.
    var isUntyped = false
}

/// Column types as the JDBC type map tells them apart.
enum SQLColumnType: Sendable, Hashable {
    case boolean
    case bits(Int)
    case integer(width: IntegerWidth)
    case float32
    case float64
    /// A `NUMERIC`, which `numeric.mapping` applies to.
    case numeric(precision: Int, scale: Int)
    /// A `DECIMAL`, which it does not apply to.
    case decimal(precision: Int, scale: Int)
    case string
    case bytes
    case date
    case year
    case time
    case timestamp
    /// One dimension of elements.
    indirect case array(SQLColumnType)
    /// A type that records cannot carry, with the database's name for it.
    case unsupported(String)

    /// Integers by what they hold.
    enum IntegerWidth: Sendable, Hashable {
        case int8, int16, int32, int64
        /// 64 bits without sign: records carry an int64, so large values do not fit.
        case unsigned64
    }
}

extension SQLQuery {
    /// Packs what ``fetch(_:limit:into:)`` gives.
    func fetchRows(_ decoders: [ColumnDecoder?], limit: Int, into rows: inout RecordRows) throws(SQLError) -> Bool {
        var fetched: [[ConnectValue]] = []
        let hasMore = try fetch(decoders, limit: limit, into: &fetched)
        for row in fetched {
            for value in row { _ = rows.append(value) }
            rows.finishRow()
        }
        return hasMore
    }
}

extension SQLConnection {
    /// All rows of a small result, as text.
    func rows(_ sql: String) throws(SQLError) -> [[String?]] {
        try rows(sql, [])
    }

    /// All rows of a small result, as text.
    func rows(_ sql: String, _ parameters: [SQLParameter]) throws(SQLError) -> [[String?]] {
        let query = try prepareQuery(sql)
        defer { query.close() }
        try query.execute(parameters)
        let decoders = [ColumnDecoder?](repeating: .string, count: query.columns.count)
        var rows: [[ConnectValue]] = []
        while try query.fetch(decoders, limit: 1_000, into: &rows) {}
        return rows.map { row in row.map { $0.stringValue } }
    }
}
