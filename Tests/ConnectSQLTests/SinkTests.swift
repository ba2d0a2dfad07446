import ConnectAPI
import Foundation
import KafkaTesting
import Synchronization
import Testing

@testable import ConnectSQL

@Suite(.serialized) struct SinkTests {
    private static let users = Schema.structure(
        name: "users", fields: [Field("id", .int32), Field("name", .optionalString)])

    private func records(_ ids: Range<Int>, topic: String = "t", schema: Schema = users) throws -> [SinkRecord] {
        try ids.map { id in
            let value = try Struct(schema: schema, values: [.int32(Int32(id)), .string("n\(id)")])
            return SinkRecord(
                topic: topic, partition: 0, offset: Int64(id), valueSchema: schema, value: .structure(value))
        }
    }

    private func config(_ url: String, _ extra: [String: String] = [:]) -> [String: String] {
        var config = [
            "connection.url": url, "connection.user": "root", "connection.password": MariaDBServer.password,
            "auto.create": "true", "auto.evolve": "true", "topics": "t",
        ]
        config.merge(extra) { $1 }
        return config
    }

    private func sink(
        _ url: String, _ extra: [String: String] = [:], _ context: SinkContext = SinkContext()
    ) async throws -> SQLSinkTask {
        let task = SQLSinkTask()
        try await task.start(config(url, extra), context: context)
        return task
    }

    @Test func connectionKilledIsRetriable() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_kill")
        let context = SinkContext()
        let task = try await sink(server.url("sink_kill"), ["retry.backoff.ms": "7"], context)
        try await task.put(records(0..<10))
        for row in try server.sql("select id from information_schema.processlist where db='sink_kill'") {
            try server.sql("kill \(row[0])")
        }
        await #expect {
            try await task.put(records(10..<20))
        } throws: { ($0 as? ConnectError)?.code == .retriable }
        #expect(context.delays.withLock { $0 } == [.milliseconds(7)])
        try await task.put(records(10..<20))
        await task.stop()
        #expect(try server.sql("select count(*), max(id) from t", database: "sink_kill") == [["20", "19"]])
    }

    @Test func retriesRunOut() async throws {
        let task = try await sink(
            "jdbc:mysql://127.0.0.1:1/d", ["max.retries": "1", "connection.attempts": "1"])
        for code in [ConnectError.Code.retriable, .fatal] {
            await #expect {
                try await task.put(records(0..<1))
            } throws: { ($0 as? ConnectError)?.code == code }
        }
        await task.stop()
    }

    @Test func tableDroppedBehindTheSink() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_drop")
        let task = try await sink(server.url("sink_drop"))
        try await task.put(records(0..<5))
        try server.sql("drop table t", database: "sink_drop")
        try await task.put(records(5..<8))
        // A column added by hand is seen before auto.evolve=false would fail.
        await task.stop()
        let strict = try await sink(server.url("sink_drop"), ["auto.evolve": "false"])
        try await strict.put(records(8..<9))
        try server.sql("alter table t add age int", database: "sink_drop")
        let wider = Schema.structure(
            name: "users", fields: [Field("id", .int32), Field("name", .optionalString), Field("age", .optionalInt32)])
        let value = try Struct(schema: wider, values: [.int32(9), .null, .int32(30)])
        try await strict.put([
            SinkRecord(topic: "t", partition: 0, offset: 9, valueSchema: wider, value: .structure(value))
        ])
        await strict.stop()
        #expect(
            try server.sql("select id, age from t order by id", database: "sink_drop")
                == [["5", "NULL"], ["6", "NULL"], ["7", "NULL"], ["8", "NULL"], ["9", "30"]])
    }

    @Test func namesAndDefaultsAreEscaped() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_names")
        let text = Schema(type: .string, isOptional: true, defaultValue: .string("it's a \\ 'x'"))
        let schema = Schema.structure(fields: [Field("a`b", .int32), Field("select", text)])
        let value = try Struct(schema: schema, values: [.int32(1), .null])
        let file = try SQLiteFile()
        for url in [server.url("sink_names"), file.url] {
            let task = try await sink(url, ["table.name.format": "x_${topic}"])
            try await task.put([
                SinkRecord(topic: "a.b.c", partition: 0, offset: 0, valueSchema: schema, value: .structure(value))
            ])
            await task.stop()
        }
        // A dot of the topic's name belongs to the table's name.
        #expect(
            try server.sql("select `a``b`, `select` from `x_a.b.c`", database: "sink_names")
                == [["1", "it's a \\\\ 'x'"]])
        try server.sql("insert into `x_a.b.c`(`a``b`) values(2)", database: "sink_names")
        #expect(
            try server.sql("select count(distinct `select`) from `x_a.b.c`", database: "sink_names") == [["1"]])
        #expect(try file.sql("SELECT `a``b`, `select` FROM `x_a.b.c`") == [["1", "it's a \\ 'x'"]])
    }

    @Test func manyRowsAndLongValuesWithoutBulk() throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_multi")
        try server.sql("create table m(a bigint, b double, c longtext, d longblob)", database: "sink_multi")
        guard case .mariaDB(var url) = try JDBCURL(server.url("sink_multi")) else { return }
        url.options.user = "root"
        url.options.password = Secret(MariaDBServer.password)
        url.options.host = url.hosts[0].name
        url.options.port = url.hosts[0].port
        let connection = try MariaDBConnection(url.options)
        let text = SQLWriteText(head: "INSERT INTO m(a,b,c,d) VALUES", row: "(?,?,?,?)", parameterCount: 4)
        for isBulk in [false, true] {
            var batch = ParameterBatch([.integer, .real, .text, .bytes])
            for row in 0..<1_234 {
                batch.columns[0].append(Int64(row))
                if row % 3 == 0 { batch.columns[1].appendNull() } else { batch.columns[1].append(Double(row) / 2) }
                batch.columns[2].append(row == 7 ? String(repeating: "é", count: 200_000) : "t\(row)")
                batch.columns[3].append(row % 2 == 0 ? [] : [0, UInt8(row % 256)])
                batch.finishRow()
            }
            let write = try MariaDBWrite(connection, text, isBulk: isBulk)
            try write.execute(batch)
            write.close()
            #expect(
                try server.sql(
                    "select count(*), sum(a), sum(b), sum(b is null), sum(char_length(c)), sum(length(d)) from m",
                    database: "sink_multi") == [["1234", "760761", "253381.5", "412", "205058", "1234"]])
            try server.sql("truncate m", database: "sink_multi")
        }
        connection.close()
    }

    @Test func sqliteTypesAndEvolution() async throws {
        let file = try SQLiteFile()
        let task = try await sink(file.url)
        let schema = Schema.structure(
            name: "r",
            fields: [
                Field("id", .int64), Field("d", .decimal(scale: 2, isOptional: true)), Field("day", .date()),
                Field("at", .timestamp()), Field("f", .float64), Field("b", .optionalBytes), Field("ok", .boolean),
            ])
        let value = try Struct(
            schema: schema,
            values: [
                .int64(1), .bytes([0x30, 0x39]), .int32(19_782), .int64(1_709_212_455_123), .float64(1.5),
                .bytes([0, 255]), .boolean(true),
            ])
        try await task.put([
            SinkRecord(topic: "t", partition: 0, offset: 0, valueSchema: schema, value: .structure(value))
        ])
        #expect(
            try file.sql("SELECT name, type, \"notnull\" FROM pragma_table_info('t')") == [
                ["id", "INTEGER", "1"], ["d", "NUMERIC", "0"], ["day", "NUMERIC", "1"], ["at", "NUMERIC", "1"],
                ["f", "REAL", "1"], ["b", "BLOB", "0"], ["ok", "INTEGER", "1"],
            ])
        #expect(
            try file.sql("SELECT id, d, day, at, f, hex(b), ok FROM t") == [
                ["1", "123.45", "1709164800000", "1709212455123", "1.5", "00FF", "1"]
            ])
        await task.stop()
    }

    @Test func oneBadRecordAmongMany() async throws {
        let file = try SQLiteFile()
        try file.sql("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO t VALUES(700,'taken')")
        let reporter = Reporter()
        let task = try await sink(file.url, [:], SinkContext(reporter))
        var batch = try records(0..<1_000)
        batch[3].value = .null
        batch[5].valueSchema = nil
        try await task.put(batch)
        await task.stop()
        #expect(reporter.reported.withLock { $0.map(\.offset) } == [3, 5, 700])
        #expect(try file.sql("SELECT count(*), sum(name = 'taken') FROM t") == [["998", "1"]])
    }

    @Test func busyDatabaseIsRetriable() async throws {
        let file = try SQLiteFile()
        try file.sql("CREATE TABLE t(id INTEGER, name TEXT)")
        let other = try file.connect()
        try other.begin()
        let task = try await sink(file.url + "?busy_timeout=20")
        await #expect {
            try await task.put(records(0..<1))
        } throws: { ($0 as? ConnectError)?.code == .retriable }
        try other.commit()
        try await task.put(records(0..<1))
        await task.stop()
        #expect(try file.sql("SELECT count(*) FROM t") == [["1"]])
    }
}
