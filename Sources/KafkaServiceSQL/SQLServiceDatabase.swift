import ConnectSQL
public import KafkaService
import NIOConcurrencyHelpers
import NIOPosix

/// A service's own database by its JDBC URL, through the drivers of the connectors: SQLite, MariaDB or
/// MySQL, and PostgreSQL.
///
/// A few connections, each with a thread of its own, are made when they are needed; a transaction has one to itself.
/// SQLite has one connection, because it has one writer at a time: transactions wait for each other here.
public final class SQLServiceDatabase: ServiceDatabase {
    /// Which SQL it speaks.
    public let flavor: SQLFlavor
    /// The URL without its password.
    public let description: String
    private let target: SQLSession.Target
    private let pool: NIOLockedValueBox<Pool>

    private struct Pool {
        var idle: [Connection] = []
        var waiters: [CheckedContinuation<Connection?, Never>] = []
        /// How many more may be made.
        var spare: Int
        var isClosed = false
    }

    /// Reads the URL; connects when a transaction begins.
    ///
    /// - Parameters:
    ///   - url: Such as `jdbc:sqlite:orders.db`, `jdbc:mariadb://localhost:3306/orders` or
    ///     `jdbc:postgresql://localhost/orders`.
    ///   - user: The user, if the URL does not name one.
    ///   - password: The password, likewise.
    ///   - connections: How many transactions may be open at once; SQLite has one.
    public init(url: String, user: String? = nil, password: String? = nil, connections: Int = 4) throws {
        target = try SQLSession.Target(url: url, user: user, password: password)
        description = target.description
        let dialect = target.dialect.lowercased()
        flavor = dialect.hasPrefix("sqlite") ? .sqlite : dialect.hasPrefix("postgre") ? .postgreSQL : .mariaDB
        pool = NIOLockedValueBox(Pool(spare: flavor == .sqlite ? 1 : max(connections, 1)))
    }

    /// Runs statements as one transaction, and throws it away if the body throws.
    public func withTransaction<Result: Sendable>(
        _ body: (any SQLTransaction) async throws -> Result
    ) async throws -> Result {
        let connection = try await take()
        do {
            try await connection.run { session in try session.begin() }
            let result = try await body(Transaction(connection: connection, flavor: flavor))
            try await connection.run { session in try session.commit() }
            give(connection)
            return result
        } catch {
            let isLost = (error as? SQLSession.Failure)?.isConnectionLost ?? false
            try? await connection.run { session in session.rollback() }
            if isLost { await drop(connection) } else { give(connection) }
            throw error
        }
    }

    /// Whether a unique or primary key has the value already.
    public func isUniqueViolation(_ error: any Error) -> Bool {
        (error as? SQLSession.Failure)?.isUniqueViolation ?? false
    }

    /// Closes the connections. Transactions that run keep theirs to their end.
    public func close() async {
        let (idle, waiters) = pool.withLockedValue { pool in
            pool.isClosed = true
            defer { (pool.idle, pool.waiters) = ([], []) }
            return (pool.idle, pool.waiters)
        }
        for waiter in waiters { waiter.resume(returning: nil) }
        for connection in idle { await connection.close() }
    }

    // MARK: - Connections

    private func take() async throws -> Connection {
        let connection: Connection? = await withCheckedContinuation { continuation in
            let found = pool.withLockedValue { pool -> Connection?? in
                guard !pool.isClosed else { return .some(nil) }
                if let connection = pool.idle.popLast() { return connection }
                if pool.spare > 0 {
                    pool.spare -= 1
                    return Connection(target)
                }
                pool.waiters.append(continuation)
                return nil
            }
            if let found { continuation.resume(returning: found) }
        }
        guard let connection else { throw KafkaServiceError(.state, "the database \(description) has been closed") }
        return connection
    }

    private func give(_ connection: Connection) {
        let (waiter, isClosed) = pool.withLockedValue { pool in
            if pool.isClosed { return (CheckedContinuation<Connection?, Never>?.none, true) }
            guard !pool.waiters.isEmpty else {
                pool.idle.append(connection)
                return (nil, false)
            }
            return (pool.waiters.removeFirst(), false)
        }
        waiter?.resume(returning: connection)
        if isClosed { Task { await connection.close() } }
    }

    /// A lost connection connects anew with its next statement.
    private func drop(_ connection: Connection) async {
        await connection.disconnect()
        give(connection)
    }
}

/// A session and the thread that runs it.
private final class Connection: @unchecked Sendable {
    private let target: SQLSession.Target
    private let thread = NIOThreadPool(numberOfThreads: 1)
    /// Touched by the thread only.
    private var session: SQLSession?

    init(_ target: SQLSession.Target) {
        self.target = target
        thread.start()
    }

    func run<Result: Sendable>(_ body: @escaping @Sendable (SQLSession) throws -> Result) async throws -> Result {
        // A transaction is ended in good order although its task may be cancelled.
        try await Task {
            try await self.thread.runIfActive {
                let session = try self.session ?? SQLSession(self.target)
                self.session = session
                return try body(session)
            }
        }.value
    }

    func disconnect() async {
        try? await thread.runIfActive {
            self.session?.close()
            self.session = nil
        }
    }

    func close() async {
        await disconnect()
        try? await thread.shutdownGracefully()
    }
}

/// The statements of one transaction.
private struct Transaction: SQLTransaction {
    let connection: Connection
    let flavor: SQLFlavor

    func execute(_ sql: String, _ parameters: [SQLValue]) async throws {
        let (sql, values) = (text(sql), parameters.map(SQLSession.Value.init))
        try await connection.run { session in try session.execute(sql, values) }
    }

    func query(_ sql: String, _ parameters: [SQLValue]) async throws -> [[SQLValue]] {
        let (sql, values) = (text(sql), parameters.map(SQLSession.Value.init))
        return try await connection.run { session in try session.query(sql, values).map { $0.map(SQLValue.init) } }
    }

    /// PostgreSQL numbers its parameters. Statements of services have no question marks in their texts.
    private func text(_ sql: String) -> String {
        guard flavor == .postgreSQL, sql.contains("?") else { return sql }
        var number = 0
        return sql.reduce(into: "") { result, character in
            guard character == "?" else { return result.append(character) }
            number += 1
            result += "$\(number)"
        }
    }
}

extension SQLSession.Value {
    fileprivate init(_ value: SQLValue) {
        switch value {
        case .null: self = .null
        case .integer(let number): self = .integer(number)
        case .text(let text): self = .text(text)
        case .bytes(let bytes): self = .bytes(bytes)
        }
    }
}

extension SQLValue {
    fileprivate init(_ value: SQLSession.Value) {
        switch value {
        case .null: self = .null
        case .integer(let number): self = .integer(number)
        case .text(let text): self = .text(text)
        case .bytes(let bytes): self = .bytes(bytes)
        }
    }
}
