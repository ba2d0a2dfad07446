import ConnectAPI
import Foundation
import Synchronization
import Testing

@testable import ConnectSQL

/// Faults of real databases that need some work to be had: a deadlock, a full disk, a connection that ends within a
/// statement, a column of another type.
@Suite(.serialized) struct HardFaultTests {
    private static let servers = [TestDatabase.mariaDB, .postgreSQL]
    private static let schema = Schema.structure(
        name: "t", fields: [Field("id", .int32), Field("name", .optionalString)])

    private func records(_ offsets: Range<Int>, _ name: (Int) -> String = { "n\($0)" }) throws -> [SinkRecord] {
        try offsets.map { offset in
            SinkRecord(
                topic: "t", partition: 0, offset: Int64(offset), valueSchema: Self.schema,
                value: .structure(
                    try Struct(schema: Self.schema, values: [.int32(Int32(offset)), .string(name(offset))])))
        }
    }

    /// Lets a task be used by a child task that is waited for.
    private struct Lent: @unchecked Sendable {
        let task: SQLSinkTask
    }

    private func connect(_ database: OpenDatabase) throws -> any SQLConnection {
        try SourceOptions(database.connection.merging(["topic.prefix": "t_", "mode": "bulk"]) { $1 }).database.connect()
    }

    /// Puts until it succeeds; only errors that ask for that are allowed.
    private func putUntilDone(_ task: SQLSinkTask, _ records: [SinkRecord]) async throws {
        for _ in 0..<20 {
            do {
                return try await task.put(records)
            } catch let error as ConnectError where error.code == .retriable {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        Issue.record("the records never went in")
    }

    /// Someone else's transaction and the sink wait for each other: whoever is chosen, the rows get in.
    @Test(arguments: servers) func deadlock(_ kind: TestDatabase) async throws {
        let database = try kind.open("hard_deadlock")
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))")
        try database.sql("INSERT INTO t VALUES" + (0..<200).map { "(\($0),'old')" }.joined(separator: ","))
        let other = try connect(database)
        try other.begin()
        // Much changed, so that InnoDB gives the sink up rather than this.
        try other.execute("UPDATE t SET name = 'held' WHERE id >= 100")
        let reporter = Reporter()
        let task = try await database.sink(
            ["insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id"], reporter: reporter)
        let batch = try records(0..<110)
        let lent = Lent(task: task)
        async let written: Void = putUntilDone(lent.task, batch)
        let lock =
            kind == .mariaDB
            ? "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
            : "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
        for _ in 0..<500 where try database.sql(lock) == [["0"]] { try await Task.sleep(for: .milliseconds(10)) }
        // The sink holds row 5 and waits for row 100, or has been thrown back.
        do {
            try other.execute("UPDATE t SET name = 'crossed' WHERE id = 5")
            try other.commit()
        } catch {
            other.rollback()
        }
        other.close()
        try await written
        await task.stop()
        #expect(reporter.reported.withLock { $0.isEmpty })
        #expect(try database.sql("SELECT COUNT(*) FROM t WHERE name = CONCAT('n', id) AND id < 110") == [["110"]])
    }

    /// The statement's connection is killed while it runs: nothing of it stays, and the second try writes it once.
    @Test(arguments: servers) func killedWithinABatch(_ kind: TestDatabase) async throws {
        let database = try kind.open("hard_kill")
        let pause = kind == .mariaDB ? "DO SLEEP(2)" : "PERFORM pg_sleep(2)"
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL, name VARCHAR(20))")
        // A row in the middle of the batch takes its time.
        if kind == .mariaDB {
            try database.sql(
                "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW SET @x = IF(NEW.id = 1500, SLEEP(2), 0)")
        } else {
            try database.sql(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1500 THEN \(pause); "
                    + "END IF; RETURN NEW; END $$; "
                    + "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()")
        }
        let task = try await database.sink()
        let batch = try records(0..<3_000)
        let lent = Lent(task: task)
        async let first: Bool = {
            do {
                try await lent.task.put(batch)
                return false
            } catch {
                return (error as? ConnectError)?.code == .retriable
            }
        }()
        let sleeping =
            kind == .mariaDB
            ? "SELECT id FROM information_schema.processlist WHERE db = 'hard_kill' AND state = 'User sleep'"
            : "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        var victim: String?
        for _ in 0..<500 where victim == nil {
            victim = try database.sql(sleeping).first?.first ?? nil
            if victim == nil { try await Task.sleep(for: .milliseconds(10)) }
        }
        let id = try #require(victim)
        try database.sql(kind == .mariaDB ? "KILL \(id)" : "SELECT pg_terminate_backend(\(id))")
        #expect(await first)
        #expect(try database.sql("SELECT COUNT(*) FROM t") == [["0"]])
        try database.sql(kind == .mariaDB ? "DROP TRIGGER slow" : "DROP TRIGGER slow ON t")
        try await putUntilDone(task, batch)
        await task.stop()
        #expect(try database.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [["3000", "3000"]])
    }

    @discardableResult
    private func run(_ command: String...) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// A disk of 24 MB that fills up (a tmpfs, which only root may mount): the batch is asked for again until there is
    /// room, nothing is lost, and no record is blamed. PostgreSQL only: MariaDB 10.11 ends itself when InnoDB cannot write;
    /// its full table is `FaultTests.noRoom`.
    @Test(.enabled(if: geteuid() == 0), arguments: [TestDatabase.postgreSQL]) func diskFull(_ kind: TestDatabase)
        async throws
    {
        let disk = "/tmp/sluice-disk-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
        defer {
            run("umount", "-l", disk)
            try? FileManager.default.removeItem(atPath: disk)
        }
        guard run("mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs", disk) == 0 else {
            return print("a tmpfs cannot be mounted here: the disk does not fill up")
        }
        let database = try kind.open("hard_disk")
        if kind == .mariaDB {
            try database.sql("CREATE TABLE t(id INTEGER NOT NULL, name LONGTEXT) DATA DIRECTORY='\(disk)'")
        } else {
            if let owner = getpwnam("postgres") { chown(disk, owner.pointee.pw_uid, owner.pointee.pw_gid) }
            try database.sql("CREATE TABLESPACE small LOCATION '\(disk)'")
            try database.sql("CREATE TABLE t(id INTEGER NOT NULL, name TEXT) TABLESPACE small")
            // Texts stay as long as they are.
            try database.sql("ALTER TABLE t ALTER COLUMN name SET STORAGE EXTERNAL")
        }
        let reporter = Reporter()
        let task = try await database.sink(["max.retries": "100", "retry.backoff.ms": "10"], reporter: reporter)
        let text = String(repeating: "x", count: 100_000)
        var complaint: String?
        var written = 0
        while complaint == nil, written < 1_000 {
            do {
                try await task.put(records(written..<written + 20) { _ in text })
                written += 20
            } catch let error as ConnectError where error.code == .retriable {
                complaint = error.message
            }
        }
        let reason = try #require(complaint)
        let texts = ["full", "No space left", "errno: 28", "could not extend"]
        #expect(texts.contains { reason.contains($0) }, "\(reason)")
        #expect(run("mount", "-o", "remount,size=200m", disk) == 0)
        try await putUntilDone(task, records(written..<written + 20) { _ in text })
        await task.stop()
        #expect(reporter.reported.withLock { $0.isEmpty })
        let count = "\(written + 20)"
        #expect(try database.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [[count, count]])
        try database.sql("DROP TABLE t")
        if kind == .postgreSQL { try database.sql("DROP TABLESPACE small") }
    }

    /// A column that takes the values no more: the error names it; once it takes them again, the same batch goes in.
    @Test(arguments: servers) func sinkColumnChanged(_ kind: TestDatabase) async throws {
        let database = try kind.open("hard_type")
        let task = try await database.sink()
        try await task.put(records(0..<10))
        func change(_ type: String) throws {
            try database.sql(
                kind == .mariaDB
                    ? "ALTER TABLE t MODIFY name \(type)"
                    : "ALTER TABLE t ALTER COLUMN name TYPE \(type) USING NULL::\(type)")
        }
        try database.sql("UPDATE t SET name = NULL")
        try change("INTEGER")
        let failure = await #expect(throws: ConnectError.self) { try await task.put(try records(10..<20)) }
        let text = failure?.message ?? ""
        #expect(failure?.code != .retriable && text.contains(kind == .mariaDB ? "name" : "integer"), "\(text)")
        await task.stop()
        try change("VARCHAR(50)")
        // A failed task is started anew, and gets the batch again.
        try await database.put(records(10..<20))
        #expect(try database.sql("SELECT COUNT(*), COUNT(name) FROM t") == [["20", "10"]])
    }

    /// A column of the source whose type changes while it is read: the next records have the new schema.
    @Test(arguments: servers) func sourceColumnChanged(_ kind: TestDatabase) async throws {
        let database = try kind.open("hard_source")
        try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, n VARCHAR(20))")
        try database.sql("INSERT INTO users VALUES(1,'7')")
        let task = try await database.source("users")
        let before = try await poll(task, for: 1).records.first
        #expect(before?["n"] == .string("7"))
        try database.sql(
            kind == .mariaDB
                ? "ALTER TABLE users MODIFY n BIGINT" : "ALTER TABLE users ALTER COLUMN n TYPE BIGINT USING n::bigint")
        try database.sql("INSERT INTO users VALUES(2,8)")
        let after = try await poll(task, for: 1).records.first
        await task.stop()
        #expect(after?["n"] == .int64(8) && after?["id"] == .int32(2))
        #expect(after?.valueSchema?.field(named: "n")?.schema.type == .int64)
    }
}
