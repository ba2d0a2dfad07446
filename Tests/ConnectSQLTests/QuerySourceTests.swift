import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Testing

@testable import ConnectSQL

/// `query` and `query.masked`.
@Suite(.serialized) struct QuerySourceTests {
    private static let ddl = [
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)",
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, who INTEGER, price DOUBLE)",
        "INSERT INTO users VALUES(1,'a'),(2,'b'),(3,'c')",
        "INSERT INTO orders VALUES(10,1,1.5),(11,1,2.5),(12,2,4),(13,3,9)",
    ]

    /// The same tables in either database.
    private func urls(_ name: String, _ file: SQLiteFile) throws -> [String] {
        let server = try MariaDBServer.shared()
        try server.makeDatabase(name)
        try server.sql(Self.ddl.joined(separator: ";"), database: name)
        for statement in Self.ddl { try file.sql(statement) }
        return [server.url(name), file.url]
    }

    private func task(
        _ url: String, _ extra: [String: String], _ stored: [OffsetMap: OffsetMap] = [:]
    ) async throws -> SQLSourceTask {
        var config = sourceConfig(url, "", ["topic.prefix": "answers"])
        config.merge(extra) { $1 }
        let task = SQLSourceTask()
        try await task.start(config, context: SourceContext(stored))
        return task
    }

    /// A user's JOIN, WHERE, GROUP BY, ORDER BY, last comment and semicolon are his own.
    @Test(arguments: [
        "SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.who WHERE price > 2 OR u.name = 'x'",
        "select id, who from orders where price > 2 -- dear ones",
        "SELECT max(id) AS id, who FROM orders GROUP BY who HAVING max(price) > 2 ORDER BY who DESC;\n",
        "WITH dear AS (SELECT * FROM orders WHERE price > 2) SELECT id FROM dear",
    ])
    func incrementing(_ query: String) async throws {
        let file = try SQLiteFile()
        for url in try urls("query_inc", file) {
            let first = try await task(url, ["query": query, "batch.max.rows": "2"])
            let batches = try await poll(first, for: 3)
            await first.stop()
            // SQLite knows no types of expressions: to records they are strings.
            let isText = query.contains("max(id)") && url == file.url
            let wanted = [11, 12, 13].map { isText ? ConnectValue.string("\($0)") : .int64($0) }
            #expect(batches.records.map { $0["id"]?.integer.map { .int64($0) } ?? $0["id"] } == wanted)
            #expect(batches.records.allSatisfy { $0.topic == "answers" && $0.valueSchema?.name == nil })
            #expect(batches.map(\.sourceOffset) == [12, 13].map { ["incrementing": .int64($0)] })
            #expect(batches.allSatisfy { $0.sourcePartition == ["query": .string("query")] })
            let resumed = try await task(
                url, ["query.masked": query, "incrementing.column.name": "o.id"],
                [["query": .string("query")]: ["incrementing": .int64(12)]])
            let again = try await poll(resumed, for: 1).records
            #expect(again.map { $0["id"]?.stringValue ?? "\($0["id"]?.integer ?? 0)" } == ["13"])
            await resumed.stop()
        }
    }

    @Test func bulkGoesAsItIs() async throws {
        let file = try SQLiteFile()
        for url in try urls("query_bulk", file) {
            let task = try await task(
                url,
                [
                    "mode": "bulk", "query": "SELECT id FROM orders WHERE price > 2 ORDER BY price DESC",
                    "query.suffix": "LIMIT 2", "poll.interval.ms": "50",
                ])
            let batches = try await poll(task, for: 4)
            await task.stop()
            #expect(batches.records.compactMap { $0["id"]?.integer } == [13, 12, 13, 12])
            #expect(batches.allSatisfy { $0.clearsOffset && $0.sourcePartition == ["query": .string("query")] })
        }
    }

    /// Validation has the database read the query; what it says does not show a masked one.
    @Test func checkedByTheDatabase() async throws {
        let file = try SQLiteFile()
        for url in try urls("query_check", file) {
            var config = sourceConfig(url, "", ["name": "n"])
            config["query"] = "SELECT id FROM orders WHERE price > 2"
            #expect(await SQLSourceConnector().validate(config).allSatisfy(\.errors.isEmpty))
            config["query"] = "SELECT who FROM orders"
            let failed = await SQLSourceConnector().validate(config).filter { !$0.errors.isEmpty }
            #expect(failed.map(\.name) == ["query"])
            #expect(failed.first?.errors.first?.contains("id") == true)
            config["query"] = nil
            config["query.masked"] = "SELECT nosuchsecret FROM orders WHERE name = 'topsecret'"
            let masked = await SQLSourceConnector().validate(config).filter { !$0.errors.isEmpty }
            #expect(masked.map(\.name) == ["query.masked"])
            #expect(!"\(masked)".contains("secret FROM") && !masked.flatMap(\.errors).joined().contains("secret"))
            let task = SQLSourceTask()
            try await task.start(config, context: SourceContext())
            await #expect {
                _ = try await poll(task, for: 1)
            } throws: { !"\($0)".contains("secret") && "\($0)".contains("SQLState") }
            await task.stop()
        }
    }

    @Test(arguments: [
        (["query": "DELETE FROM t"], ["query", "query.masked"]),
        (["query": "SELECT 1", "query.masked": "SELECT 2"], ["query", "query.masked"]),
        (["query": "SELECT 1", "incrementing.column.name": ""], ["incrementing.column.name"]),
        (["query": "SELECT 1", "mode": "timestamp"], ["timestamp.column.name"]),
        (["query": "SELECT 1", "table.whitelist": "t"], ["table.whitelist", "query", "query.masked"]),
    ])
    func refused(_ extra: [String: String], _ names: [String]) async throws {
        var config = [
            "connection.url": "jdbc:sqlite::memory:", "mode": "incrementing", "incrementing.column.name": "id",
            "topic.prefix": "p", "name": "n", "connector.class": "JdbcSource",
        ]
        config.merge(extra) { $1 }
        let failed = await SQLSourceConnector().validate(config).filter { !$0.errors.isEmpty }
        #expect(Set(failed.map(\.name)) == Set(names))
        if extra["table.whitelist"] == nil { #expect(throws: ConnectError.self) { try SourceOptions(config) } }
    }
}
