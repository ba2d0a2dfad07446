import ConnectAPI

/// A connection for the services' database (`KafkaServiceSQL`): single statements with parameters, through the same
/// drivers and URLs as the connectors. Blocks, and is for one thread at a time.
package final class SQLSession {
    /// A parameter or a value of a row.
    package enum Value: Sendable, Hashable {
        case null
        case integer(Int64)
        case text(String)
        case bytes([UInt8])
    }

    /// What a database said no with.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        /// The database's text, with SQLState and number.
        package let description: String
        /// Whether the connection is gone.
        package let isConnectionLost: Bool
        /// Whether the same transaction may succeed later.
        package let isRetriable: Bool
        /// Whether a unique or primary key has the value already.
        package let isUniqueViolation: Bool

        init(_ error: SQLError) {
            description = error.description
            isConnectionLost = error.kind == .connection
            isRetriable = error.isRetriable
            // 1062 is MariaDB's duplicate key; 1555 and 2067 are SQLite's for primary and unique keys.
            isUniqueViolation = error.sqlState == "23505" || [1062, 1555, 2067].contains(error.code)
        }

        init(_ description: String) {
            self.description = description
            (isConnectionLost, isRetriable, isUniqueViolation) = (false, false, false)
        }
    }

    /// Where and as whom to connect.
    package struct Target: Sendable {
        /// The URL without its password.
        package let description: String
        /// `SqliteDatabaseDialect` and so on: the dialect's name.
        package let dialect: String
        let database: Database

        /// Reads a JDBC URL.
        package init(url: String, user: String?, password: String?) throws(Failure) {
            var config = ["connection.url": url, "connection.attempts": "1"]
            // Services lock what they mean to change; a snapshot that hides others' commits helps none of them.
            config["transaction.isolation.mode"] = "READ_COMMITTED"
            if let user { config["connection.user"] = user }
            if let password { config["connection.password"] = password }
            do throws(ConnectError) {
                database = try Database(SQLSinkConnector.configDefinition.parse(config), for: .sink)
            } catch {
                throw Failure("\(error)")
            }
            description = database.description
            dialect = database.dialect.name
        }
    }

    private static let cachedStatements = 64

    private let connection: any SQLConnection
    private var queries: [String: any SQLQuery] = [:]
    private var writes: [[ParameterBatch.Kind]: [String: any SQLWrite]] = [:]

    /// Connects.
    package init(_ target: Target) throws(Failure) {
        do throws(SQLError) {
            connection = try target.database.connect()
        } catch {
            throw Failure(error)
        }
    }

    /// Starts a transaction.
    package func begin() throws(Failure) { try telling { () throws(SQLError) in try connection.begin() } }

    /// Makes the transaction permanent.
    package func commit() throws(Failure) { try telling { () throws(SQLError) in try connection.commit() } }

    /// Throws the transaction away.
    package func rollback() { connection.rollback() }

    /// Closes the connection. May be called twice.
    package func close() {
        for query in queries.values { query.close() }
        for write in writes.values.flatMap(\.values) { write.close() }
        (queries, writes) = ([:], [:])
        connection.close()
    }

    /// Runs a statement that gives no rows.
    package func execute(_ sql: String, _ parameters: [Value]) throws(Failure) {
        try telling { () throws(SQLError) in
            guard !parameters.isEmpty else { return try connection.execute(sql) }
            let kinds = parameters.map(\.kind)
            var batch = ParameterBatch(kinds)
            for (index, value) in parameters.enumerated() {
                switch value {
                case .null: batch.columns[index].appendNull()
                case .integer(let number): batch.columns[index].append(number)
                case .text(let text): batch.columns[index].append(text)
                case .bytes(let bytes): batch.columns[index].append(bytes)
                }
            }
            batch.finishRow()
            try write(sql, kinds).execute(batch)
        }
    }

    /// Runs a statement and returns all its rows. Parameters are integers and texts.
    package func query(_ sql: String, _ parameters: [Value]) throws(Failure) -> [[Value]] {
        var bound: [SQLParameter] = []
        for parameter in parameters {
            switch parameter {
            case .integer(let number): bound.append(.integer(number))
            case .text(let text): bound.append(.text(text))
            case .null, .bytes: throw Failure("parameters of a query are integers or texts, not bytes or null: \(sql)")
            }
        }
        return try telling { () throws(SQLError) in
            let query = try prepared(sql)
            defer { query.reset() }
            try query.execute(bound)
            let decoders = query.columns.map(Self.decoder)
            var rows: [[ConnectValue]] = []
            while try query.fetch(decoders, limit: 1_000, into: &rows) {}
            return rows.map { $0.map(Value.init) }
        }
    }

    private static func decoder(_ column: SQLColumn) -> ColumnDecoder? {
        switch column.type {
        case .boolean, .integer: .int64
        case .bytes, .bits: .bytes
        default: .string
        }
    }

    private func prepared(_ sql: String) throws(SQLError) -> any SQLQuery {
        if let query = queries[sql] { return query }
        if queries.count >= Self.cachedStatements {
            for query in queries.values { query.close() }
            queries = [:]
        }
        let query = try connection.prepareQuery(sql)
        queries[sql] = query
        return query
    }

    private func write(_ sql: String, _ kinds: [ParameterBatch.Kind]) throws(SQLError) -> any SQLWrite {
        if let write = writes[kinds]?[sql] { return write }
        if writes.values.reduce(0, { $0 + $1.count }) >= Self.cachedStatements {
            for write in writes.values.flatMap(\.values) { write.close() }
            writes = [:]
        }
        let write = try connection.prepareWrite(
            SQLWriteText(head: sql, parameterCount: kinds.count, isForSingleRows: true))
        writes[kinds, default: [:]][sql] = write
        return write
    }

    private func telling<Result>(_ body: () throws(SQLError) -> Result) throws(Failure) -> Result {
        do {
            return try body()
        } catch {
            throw Failure(error)
        }
    }
}

extension SQLSession.Value {
    fileprivate var kind: ParameterBatch.Kind {
        switch self {
        case .integer: .integer
        case .bytes: .bytes
        case .text, .null: .text
        }
    }

    fileprivate init(_ value: ConnectValue) {
        switch value {
        case .bytes(let bytes): self = .bytes(bytes)
        case .string(let text): self = .text(text)
        case .boolean(let flag): self = .integer(flag ? 1 : 0)
        default: self = value.integer.map { .integer($0) } ?? .null
        }
    }
}
