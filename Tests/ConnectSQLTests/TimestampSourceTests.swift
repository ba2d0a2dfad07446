import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Testing

@testable import ConnectSQL

/// Modes timestamp and timestamp+incrementing.
@Suite(.serialized) struct TimestampSourceTests {
    private func makeDatabase(_ name: String, _ sql: String) throws -> MariaDBServer {
        let server = try MariaDBServer.shared()
        try server.makeDatabase(name)
        try server.sql(sql, database: name)
        return server
    }

    private func start(
        _ url: String, _ tables: String, _ extra: [String: String] = [:], _ stored: [OffsetMap: OffsetMap] = [:]
    ) async throws -> SQLSourceTask {
        var config = sourceConfig(url, tables, ["mode": "timestamp", "timestamp.column.name": "at"])
        config["incrementing.column.name"] = nil
        config.merge(extra) { $1 }
        let task = SQLSourceTask()
        try await task.start(config, context: SourceContext(stored))
        return task
    }

    private static func offset(_ milliseconds: Int64, _ nanoseconds: Int64) -> OffsetMap {
        ["timestamp_nanos": .int64(nanoseconds), "timestamp": .int64(milliseconds)]
    }

    private func ids(_ batches: [SourceBatch]) -> [Int64] {
        batches.records.compactMap { $0["id"]?.integer }
    }

    /// A crash after any batch loses no row: not even one of many with the same timestamp.
    @Test(arguments: ["timestamp", "timestamp+incrementing"])
    func resumingAfterAnyBatch(_ mode: String) async throws {
        let times = [1, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 5]
        let rows = times.enumerated().map { "(\($0.offset + 1),'2024-01-01 00:00:0\($0.element)')" }
            .joined(separator: ",")
        let ddl = "create table t(id integer primary key, at datetime not null)"
        let server = try makeDatabase("ts_resume", "\(ddl); insert into t values\(rows)")
        let file = try SQLiteFile()
        try file.sql(ddl, "INSERT INTO t VALUES\(rows)")
        let extra =
            ["mode": mode, "batch.max.rows": "3"].merging(
                mode == "timestamp" ? [:] : ["incrementing.column.name": "id"]
            ) {
                $1
            }
        for (url, table) in [(server.url("ts_resume"), "ts_resume.t"), (file.url, "t")] {
            let task = try await start(url, table, extra)
            let batches = try await poll(task, for: times.count)
            await task.stop()
            // The order of rows with one timestamp is the database's choice.
            #expect(ids(batches).map { times[Int($0) - 1] } == times)
            #expect(Set(ids(batches)).count == times.count)
            #expect(batches.map(\.records.count) == [3, 3, 3, 3])
            var stored: [OffsetMap: OffsetMap] = [:]
            for (index, batch) in batches.enumerated() {
                if let offset = batch.sourceOffset { stored[try #require(batch.sourcePartition)] = offset }
                let missing = Set(1...12).subtracting(ids(Array(batches[...index])))
                guard !missing.isEmpty else { continue }
                let resumed = try await start(url, table, extra, stored)
                var again: Set<Int64> = []
                while !again.isSuperset(of: missing) { again.formUnion(ids(try await resumed.poll())) }
                await resumed.stop()
                // With the growing column there is nothing to send again.
                if mode != "timestamp" { #expect(again == missing) }
            }
        }
    }

    /// Rows that come while the second they are stamped with is being read: each arrives, once.
    @Test func rowsOfTheCurrentSecond() async throws {
        let ddl = "create table t(id integer primary key, at datetime not null)"
        let server = try makeDatabase("ts_now", ddl)
        let file = try SQLiteFile()
        try file.sql(ddl)
        let tasks = [
            try await start(server.url("ts_now"), "ts_now.t"), try await start(file.url, "t"),
        ]
        var found: [[Int64]] = [[], []]
        let start = ContinuousClock.now
        var count: Int64 = 0
        while ContinuousClock.now - start < .milliseconds(2_500) {
            count += 1
            try server.sql("insert into t values(\(count), now())", database: "ts_now")
            try file.sql("INSERT INTO t VALUES(\(count), CURRENT_TIMESTAMP)")
            for index in tasks.indices { found[index] += ids(try await tasks[index].poll()) }
        }
        for index in tasks.indices {
            found[index] += ids(try await poll(tasks[index], for: Int(count) - found[index].count))
            await tasks[index].stop()
            #expect(found[index] == Array(1...count))
        }
    }

    /// Microseconds are told apart, in reads and in stored offsets (golden: Java keeps them in `timestamp_nanos`).
    @Test func fractionsOfSeconds() async throws {
        let server = try makeDatabase(
            "ts_micro",
            """
            create table t(id int primary key, at datetime(6) not null);
            insert into t values(1,'2024-01-01 00:00:00.000001'),(2,'2024-01-01 00:00:00.000002'),
              (3,'1969-12-31 23:59:59.9999'),(4,'2024-01-01 00:00:00.123456')
            """)
        let task = try await start(server.url("ts_micro"), "ts_micro.t", ["batch.max.rows": "1"])
        let batches = try await poll(task, for: 3)
        await task.stop()
        // What is older than the epoch has never been read: reading begins there.
        #expect(ids(batches) == [1, 2, 4])
        let wanted = [1_000, 2_000, 123_456_000].map { (nanos: Int64) in
            Self.offset(1_704_067_200_000 + nanos / 1_000_000, nanos)
        }
        #expect(batches.compactMap(\.sourceOffset) == wanted)
        for (index, batch) in batches.dropLast().enumerated() {
            let partition = try #require(batch.sourcePartition)
            let resumed = try await start(
                server.url("ts_micro"), "ts_micro.t", [:], [partition: try #require(batch.sourceOffset)])
            #expect(ids(try await poll(resumed, for: 2 - index)) == [2, 4].suffix(2 - index))
            await resumed.stop()
        }
        // An offset without nanoseconds, and one of a Java worker that reads negative times.
        #expect(SourcePosition(["timestamp": .int64(-1)]).microseconds == -1_000)
        let old = SourcePosition(Self.offset(-1, 999_900_000))
        #expect(old.microseconds == -100)
        #expect(old.offset == Self.offset(-1, 999_900_000))
    }

    @Test func delayAndInitialNow() async throws {
        let ddl = "create table t(id integer primary key, at datetime not null)"
        let server = try makeDatabase(
            "ts_delay", "\(ddl); insert into t values(1, now() - interval 2 hour),(2, now() - interval 1 minute)")
        let file = try SQLiteFile()
        try file.sql(
            ddl, "INSERT INTO t VALUES(1, datetime('now','-2 hours')),(2, datetime('now','-1 minute'))")
        for (url, table) in [(server.url("ts_delay"), "ts_delay.t"), (file.url, "t")] {
            let delayed = try await start(url, table, ["timestamp.delay.interval.ms": "3600000"])
            #expect(ids(try await poll(delayed, for: 2, limit: .milliseconds(500))) == [1])
            await delayed.stop()
            let late = try await start(url, table, ["timestamp.initial": "-1"])
            #expect(ids(try await poll(late, for: 1, limit: .milliseconds(500))) == [])
            if table == "t" {
                try file.sql("INSERT INTO t VALUES(3, datetime('now','+1 second'))")
            } else {
                try server.sql("insert into t values(3, now() + interval 1 second)", database: "ts_delay")
            }
            #expect(ids(try await poll(late, for: 1)) == [3])
            await late.stop()
        }
    }

    /// A row's timestamp is its first that is not null; one column without nulls is enough.
    @Test func severalColumns() async throws {
        let ddl = "create table t(id integer primary key, changed datetime null, at datetime not null)"
        let rows = """
            INSERT INTO t VALUES(1,NULL,'2024-01-05 00:00:00'),(2,'2024-01-03 00:00:00','2024-01-01 00:00:00'),
            (3,NULL,'2024-01-04 00:00:00')
            """
        let server = try makeDatabase("ts_several", "\(ddl); \(rows)")
        let file = try SQLiteFile()
        try file.sql(ddl, rows)
        for (url, table) in [(server.url("ts_several"), "ts_several.t"), (file.url, "t")] {
            let task = try await start(url, table, ["timestamp.column.name": "changed, at"])
            let batches = try await poll(task, for: 3)
            await task.stop()
            #expect(ids(batches) == [2, 3, 1])
            #expect(batches.last?.sourceOffset == Self.offset(1_704_412_800_000, 0))
            #expect(batches.records.first?.valueSchema?.fields.map(\.name) == ["id", "changed", "at"])
        }
    }

    /// SQLite keeps times as text, milliseconds or Julian days, even in one column.
    @Test func formsOfSQLite() async throws {
        let file = try SQLiteFile()
        try file.sql(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL)",
            """
            INSERT INTO t VALUES(1,1704067200123),(2,'2024-01-01 00:00:00.124'),(3,julianday('2024-01-01 00:00:01')),
              (4,'2024-01-01T09:00:02+09:00')
            """)
        let task = try await start(file.url, "t", ["batch.max.rows": "1"])
        let batches = try await poll(task, for: 4)
        await task.stop()
        #expect(ids(batches) == [1, 2, 3, 4])
        #expect(
            batches.compactMap { $0.sourceOffset?["timestamp"]?.integer }
                == [1_704_067_200_123, 1_704_067_200_124, 1_704_067_201_000, 1_704_067_202_000])
    }

    @Test(arguments: [("name", "no timestamp"), ("nope", "no column nope")])
    func badColumns(_ column: String, _ text: String) async throws {
        let server = try makeDatabase("ts_bad", "create table t(id int primary key, name varchar(9) not null)")
        let task = try await start(server.url("ts_bad"), "ts_bad.t", ["timestamp.column.name": column])
        await #expect {
            _ = try await poll(task, for: 1)
        } throws: { "\($0)".contains(text) && "\($0)".contains("ts_bad.t") }
        await task.stop()
    }

    /// The server's clock counts, whatever its zone and `db.timezone` are: rows stamped by it come at once.
    @Test func zones() async throws {
        let server = try MariaDBServer(extraArguments: ["--default-time-zone=-05:00"])
        defer { server.stop() }
        try server.makeDatabase("ts_zone")
        try server.sql(
            """
            create table d(id int primary key, at datetime not null);
            create table i(id int primary key, at timestamp not null)
            """, database: "ts_zone")
        for zone in ["UTC", "-05:00", "America/New_York", "Asia/Tokyo"] {
            for table in ["d", "i"] {
                try server.sql("truncate \(table); insert into \(table) values(1, now())", database: "ts_zone")
                for source in ["ts_zone.\(table)", "query"] {
                    let extra = source == "query" ? ["query": "select * from \(table)"] : [:]
                    let task = try await start(
                        server.url("ts_zone"), source == "query" ? "" : source,
                        extra.merging(["db.timezone": zone]) { $1 })
                    #expect(ids(try await poll(task, for: 1, limit: .seconds(4))) == [1], "\(zone) \(source)")
                    await task.stop()
                }
            }
        }
    }
}
