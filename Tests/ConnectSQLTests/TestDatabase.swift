import ConnectAPI
import Foundation
import KafkaTesting

@testable import ConnectSQL

/// The databases that every dialect's test runs on.
enum TestDatabase: String, CaseIterable, Sendable {
    case mariaDB, sqlite, postgreSQL

    /// Makes an empty database of that name.
    func open(_ name: String) throws -> OpenDatabase {
        switch self {
        case .mariaDB:
            let server = try MariaDBServer.shared()
            try server.makeDatabase(name)
            return OpenDatabase(
                kind: self, url: server.url(name), user: "root", password: MariaDBServer.password, prefix: name + "."
            ) { try server.sql($0, database: name).map { $0.map { $0 == "NULL" ? nil : $0 } } }
        case .sqlite:
            let file = try SQLiteFile()
            return OpenDatabase(kind: self, url: file.url, user: nil, password: nil, prefix: "") { statements in
                let connection = try file.connect()
                defer { connection.close() }
                let isQuery = statements.uppercased().hasPrefix("SELECT")
                if isQuery { return try connection.rows(statements) }
                try connection.execute(statements)
                return []
            }
        case .postgreSQL:
            let server = try PostgreSQLServer.shared()
            try server.makeDatabase(name)
            return OpenDatabase(
                kind: self, url: server.url(name), user: PostgreSQLServer.user, password: PostgreSQLServer.password,
                prefix: "public."
            ) { try server.sql($0, database: name).map { $0.map { $0 == "NULL" ? nil : $0 } } }
        }
    }
}

/// A database of a test, and an independent client of it.
struct OpenDatabase {
    let kind: TestDatabase
    let url: String
    let user: String?
    let password: String?
    /// What stands before a table's name in offsets.
    let prefix: String
    private let run: (String) throws -> [[String?]]

    init(
        kind: TestDatabase, url: String, user: String?, password: String?, prefix: String,
        run: @escaping (String) throws -> [[String?]]
    ) {
        self.kind = kind
        self.url = url
        self.user = user
        self.password = password
        self.prefix = prefix
        self.run = run
    }

    /// Runs statements; the rows of the last.
    @discardableResult
    func sql(_ statements: String) throws -> [[String?]] {
        try run(statements)
    }

    /// What both connectors need.
    var connection: [String: String] {
        var config = ["connection.url": url]
        config["connection.user"] = user
        config["connection.password"] = password
        return config
    }

    /// A source of one table.
    func source(_ table: String, _ extra: [String: String] = [:]) async throws -> SQLSourceTask {
        try await source(table, [:], extra)
    }

    /// A source of one table that goes on from stored offsets.
    func source(
        _ table: String, _ stored: [OffsetMap: OffsetMap], _ extra: [String: String] = [:]
    ) async throws -> SQLSourceTask {
        let task = SQLSourceTask()
        let config = [
            "mode": "incrementing", "incrementing.column.name": "id", "topic.prefix": "t_", "tables": prefix + table,
            "tables.fetched": "true",
        ]
        try await task.start(
            config.merging(connection) { $1 }.merging(extra) { $1 }, context: SourceContext(stored))
        return task
    }

    /// A sink of the topic `t`.
    func sink(_ extra: [String: String] = [:], reporter: Reporter? = nil) async throws -> SQLSinkTask {
        let task = SQLSinkTask()
        let config = ["topics": "t", "auto.create": "true", "auto.evolve": "true"]
        try await task.start(
            config.merging(connection) { $1 }.merging(extra) { $1 }, context: SinkContext(reporter))
        return task
    }

    /// Writes records through a sink of its own.
    func put(_ records: [SinkRecord], _ extra: [String: String] = [:], reporter: Reporter? = nil) async throws {
        let task = try await sink(extra, reporter: reporter)
        do {
            try await task.put(records)
        } catch {
            await task.stop()
            throw error
        }
        await task.stop()
    }
}
