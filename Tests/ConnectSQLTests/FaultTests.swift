import ConnectAPI
import Foundation
import Synchronization
import Testing

@testable import ConnectSQL

/// What goes wrong in production: nothing may be lost or repeated, and what can mend itself does.
@Suite(.serialized) struct FaultTests {
    private static let servers = [TestDatabase.mariaDB, .postgreSQL]
    private static let schema = Schema.structure(
        name: "t", fields: [Field("id", .int32), Field("name", .optionalString)])

    private func records(_ offsets: Range<Int>) throws -> [SinkRecord] {
        try offsets.map { offset in
            SinkRecord(
                topic: "t", partition: 0, offset: Int64(offset), valueSchema: Self.schema,
                value: .structure(
                    try Struct(schema: Self.schema, values: [.int32(Int32(offset)), .string("n\(offset)")])))
        }
    }

    /// Ends all sessions but the one that asks.
    private func killSessions(_ database: OpenDatabase, _ name: String) throws {
        if database.kind == .postgreSQL {
            try database.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    + "WHERE datname = current_database() AND pid <> pg_backend_pid()")
            return
        }
        let ids = try database.sql(
            "SELECT id FROM information_schema.processlist WHERE db = '\(name)' AND id <> CONNECTION_ID()")
        for id in ids.compactMap({ $0[0] }) { _ = try? database.sql("KILL \(id)") }
    }

    /// A connection that is killed in the middle of a result: the rest follows over a new one.
    @Test(arguments: servers) func sourceConnectionKilled(_ kind: TestDatabase) async throws {
        let database = try kind.open("fault_source")
        try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(2000))")
        let numbers =
            kind == .mariaDB
            ? "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000"
            : "SELECT n, REPEAT('x', 1000) FROM generate_series(1, 20000) n"
        try database.sql("INSERT INTO users \(numbers)")
        let task = try await database.source("users", ["batch.max.rows": "500"])
        var ids = try await poll(task, for: 1_000).records.compactMap { $0["id"]?.integer }
        try killSessions(database, "fault_source")
        ids += try await poll(task, for: 20_000 - ids.count, limit: .seconds(60)).records.compactMap {
            $0["id"]?.integer
        }
        await task.stop()
        #expect(ids == Array(1...20_000))
    }

    /// A sink whose connection is killed asks for the batch again, and then writes it once.
    @Test(arguments: servers) func sinkConnectionKilled(_ kind: TestDatabase) async throws {
        let database = try kind.open("fault_sink")
        let task = try await database.sink()
        try await task.put(records(0..<100))
        try killSessions(database, "fault_sink")
        await #expect {
            try await task.put(try records(100..<200))
        } throws: { ($0 as? ConnectError)?.code == .retriable }
        try await task.put(records(100..<200))
        await task.stop()
        #expect(try database.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [["200", "200"]])
    }

    /// A column that is dropped under a running sink is made again.
    @Test(arguments: TestDatabase.allCases) func columnDropped(_ kind: TestDatabase) async throws {
        let database = try kind.open("fault_column")
        let task = try await database.sink()
        try await task.put(records(0..<10))
        try database.sql("ALTER TABLE t DROP COLUMN name")
        try await task.put(records(10..<20))
        await task.stop()
        #expect(try database.sql("SELECT COUNT(*), COUNT(name) FROM t") == [["20", "10"]])
    }

    /// The poison record alone goes to the dead letters, however large the batch is.
    @Test(arguments: TestDatabase.allCases) func poisonAmongTenThousand(_ kind: TestDatabase) async throws {
        let database = try kind.open("fault_poison")
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL, name VARCHAR(20) CHECK (name <> 'n7654'))")
        let reporter = Reporter()
        let started = ContinuousClock.now
        try await database.put(records(0..<10_000), ["batch.size": "10000"], reporter: reporter)
        #expect(ContinuousClock.now - started < .seconds(60))
        #expect(reporter.reported.withLock { $0.map(\.offset) } == [7_654])
        #expect(try database.sql("SELECT COUNT(*) FROM t") == [["9999"]])
    }

    /// No room left is not the records' fault: the batch is asked for again until there is.
    @Test func noRoom() async throws {
        let database = try TestDatabase.mariaDB.open("fault_room")
        try database.sql(
            "SET max_heap_table_size = 262144; CREATE TABLE t(id INT, name VARCHAR(200)) ENGINE=MEMORY; "
                + "INSERT IGNORE INTO t SELECT -1, REPEAT('x', 200) FROM seq_1_to_300")
        let reporter = Reporter()
        let task = try await database.sink([:], reporter: reporter)
        await #expect {
            try await task.put(try records(0..<3_000))
        } throws: { ($0 as? ConnectError)?.code == .retriable }
        try database.sql("DELETE FROM t")
        try await task.put(records(0..<200))
        await task.stop()
        #expect(reporter.reported.withLock { $0.isEmpty })
        #expect(try database.sql("SELECT COUNT(*) FROM t WHERE id >= 0") == [["200"]])
    }

    /// A lock that someone else holds for too long: asked for again, and nothing is reported as bad.
    @Test(arguments: servers) func lockWaits(_ kind: TestDatabase) async throws {
        let database = try kind.open("fault_lock")
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))")
        try database.sql("INSERT INTO t VALUES(1,'old')")
        let holder = try SourceOptions(database.connection.merging(["topic.prefix": "t_", "mode": "bulk"]) { $1 })
            .database.connect()
        try holder.begin()
        try holder.execute("UPDATE t SET name = 'held' WHERE id = 1")
        var patience = ["insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id"]
        if kind == .postgreSQL {
            patience["connection.url"] = database.url + "?options=-c%20lock_timeout%3D200"
        } else {
            try database.sql("SET GLOBAL innodb_lock_wait_timeout = 1")
        }
        let reporter = Reporter()
        let task = try await database.sink(patience, reporter: reporter)
        await #expect {
            try await task.put(try records(0..<5))
        } throws: { ($0 as? ConnectError)?.code == .retriable }
        try holder.commit()
        holder.close()
        try await task.put(records(0..<5))
        await task.stop()
        if kind == .mariaDB { try database.sql("SET GLOBAL innodb_lock_wait_timeout = 50") }
        #expect(reporter.reported.withLock { $0.isEmpty })
        #expect(try database.sql("SELECT name FROM t WHERE id = 1") == [["n1"]])
    }
}
