/// A value in a statement or a row.
public enum SQLValue: Sendable, Hashable {
    /// SQL's null.
    case null
    /// Any integer column.
    case integer(Int64)
    /// Text.
    case text(String)
    /// A BLOB or BYTEA.
    case bytes([UInt8])

    /// The integer, also if the driver gives it as text.
    public var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .text(let text): Int64(text)
        case .null, .bytes: nil
        }
    }

    /// The text, also if the driver gives it as bytes.
    public var text: String? {
        switch self {
        case .text(let text): text
        case .bytes(let bytes): String(validating: bytes, as: UTF8.self)
        case .integer(let value): String(value)
        case .null: nil
        }
    }

    /// The bytes, also if the driver gives them as text.
    public var bytes: [UInt8]? {
        switch self {
        case .bytes(let bytes): bytes
        case .text(let text): Array(text.utf8)
        case .null, .integer: nil
        }
    }
}

/// Where the databases' SQL differs.
public enum SQLFlavor: Sendable, Hashable {
    /// SQLite 3.35 or newer.
    case sqlite
    /// MariaDB 10.5, MySQL 8, or newer.
    case mariaDB
    /// PostgreSQL 12 or newer.
    case postgreSQL
}

/// A transaction that is open. Statements have `?` for parameters, whatever the database.
public protocol SQLTransaction: Sendable {
    /// Runs a statement that gives no rows.
    func execute(_ sql: String, _ parameters: [SQLValue]) async throws
    /// Runs a statement and returns its rows: all columns, in order.
    func query(_ sql: String, _ parameters: [SQLValue]) async throws -> [[SQLValue]]
}

extension SQLTransaction {
    /// Runs a statement without parameters that gives no rows.
    public func execute(_ sql: String) async throws { try await execute(sql, []) }

    /// Runs a statement without parameters and returns its rows.
    public func query(_ sql: String) async throws -> [[SQLValue]] { try await query(sql, []) }

    /// Runs a statement once for each row of parameters.
    public func execute(_ sql: String, rows: [[SQLValue]]) async throws {
        for row in rows { try await execute(sql, row) }
    }
}

/// A service's own database. `KafkaServiceSQL` has one for SQLite and MariaDB; whoever has a driver already conforms
/// it in some twenty lines.
///
/// A transaction must be atomic and durable when `withTransaction` returns, at READ COMMITTED or stricter, and must be
/// rolled back if the body throws. Transactions may run at the same time if the database allows it.
public protocol ServiceDatabase: Sendable {
    /// Which SQL it speaks.
    var flavor: SQLFlavor { get }
    /// Runs statements as one transaction.
    func withTransaction<Result: Sendable>(
        _ body: (any SQLTransaction) async throws -> Result
    ) async throws -> Result
    /// Whether an error says that a unique or primary key exists already.
    func isUniqueViolation(_ error: any Error) -> Bool
}
