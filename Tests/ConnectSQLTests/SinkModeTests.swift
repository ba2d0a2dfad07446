import ConnectAPI
import Foundation
import KafkaTesting
import Testing

@testable import ConnectSQL

/// `insert.mode` upsert and update, and deletes.
@Suite(.serialized) struct SinkModeTests {
    private static let key = Schema.structure(name: "k", fields: [Field("id", .int32)])
    private static let textKey = Schema.structure(name: "k", fields: [Field("id", .string)])

    /// A record of `{id, name}` under the key `{id}`; no name makes a tombstone.
    private func record(_ offset: Int64, _ id: ConnectValue, _ name: String?) throws -> SinkRecord {
        let keySchema = id.stringValue == nil ? Self.key : Self.textKey
        let valueSchema = Schema.structure(
            name: "users", fields: [keySchema.fields[0], Field("name", .optionalString)])
        let key = ConnectValue.structure(try Struct(schema: keySchema, values: [id]))
        let value = try name.map { ConnectValue.structure(try Struct(schema: valueSchema, values: [id, .string($0)])) }
        return SinkRecord(
            topic: "t", partition: 0, offset: offset, keySchema: keySchema, key: key,
            valueSchema: value == nil ? nil : valueSchema, value: value ?? .null)
    }

    private func records(_ rows: [(Int, String?)]) throws -> [SinkRecord] {
        try rows.enumerated().map { try record(Int64($0.offset), .int32(Int32($0.element.0)), $0.element.1) }
    }

    private func put(
        _ url: String, _ records: [SinkRecord], _ extra: [String: String] = [:]
    ) async throws {
        var config = [
            "connection.url": url, "connection.user": "root", "connection.password": MariaDBServer.password,
            "auto.create": "true", "auto.evolve": "true", "topics": "t", "insert.mode": "upsert",
            "pk.mode": "record_key", "delete.enabled": "true",
        ]
        config.merge(extra) { $1 }
        let task = SQLSinkTask()
        try await task.start(config, context: SinkContext())
        try await task.put(records)
        await task.stop()
    }

    /// Whatever the order of rows and deletes in one put, the table ends as if each had been done by itself.
    @Test func mixedBatchesEndAsOneByOne() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_mixed")
        let file = try SQLiteFile()
        for seed in 1...4 as ClosedRange<UInt64> {
            var state = seed
            var rows: [(Int, String?)] = []
            var expected: [Int: String] = [:]
            for step in 0..<500 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let id = Int(state >> 33) % 40
                let name = (state >> 20) % 3 == 0 ? nil : "n\(step)"
                rows.append((id, name))
                expected[id] = name
            }
            let wanted = expected.sorted { $0.key < $1.key }.map { ["\($0.key)", $0.value] }
            for size in ["7", "3000"] {
                try server.sql("drop table if exists t", database: "sink_mixed")
                try file.sql("DROP TABLE IF EXISTS t")
                for url in [server.url("sink_mixed"), file.url] {
                    try await put(url, records(rows), ["batch.size": size])
                }
                #expect(try server.sql("select id, name from t order by id", database: "sink_mixed") == wanted)
                #expect(try file.sql("SELECT id, name FROM t ORDER BY id") == wanted)
            }
        }
    }

    /// Keys that are one key to the database and two to us keep their order: the last one counts.
    @Test func keysThatDifferInCaseKeepTheirOrder() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_case")
        for keys in [["a", "A", "b"], ["A", "b", "a"], ["b", "é", "E", "e"], ["z", "W", "v", "w"]] {
            try server.sql("drop table if exists t", database: "sink_case")
            var batch: [SinkRecord] = []
            for (offset, key) in keys.enumerated() { batch.append(try record(Int64(offset), .string(key), key)) }
            try await put(server.url("sink_case"), batch)
            for key in Set(keys.map { $0.lowercased() }) {
                let last = try #require(keys.last { $0.lowercased() == key })
                let found = try server.sql("select name from t where id='\(key)'", database: "sink_case")
                // é, e and E are one key in this collation.
                #expect(found == [[key == "é" ? "e" : last]])
            }
        }
    }

    @Test func rowsOfABatchAreCollapsedAndSorted() {
        var batch = ParameterBatch([.integer, .text])
        for (id, name) in [(3, "a"), (1, "b"), (3, "c"), (2, "d"), (1, "e")] as [(Int64, String)] {
            batch.columns[0].append(id)
            batch.columns[1].append(name)
            batch.finishRow()
        }
        func names(_ batch: ParameterBatch) -> [String] {
            (0..<batch.count).map { String(decoding: batch.columns[1].data[batch.columns[1].range($0)], as: UTF8.self) }
        }
        #expect(names(KeyOrder(keys: [0], isSortable: true).apply(to: batch)) == ["e", "d", "c"])
        #expect(names(KeyOrder(keys: [0], isSortable: false).apply(to: batch)) == ["c", "d", "e"])
        #expect(names(KeyOrder().apply(to: batch)) == ["a", "b", "c", "d", "e"])
    }

    /// A null equals no other null: rows without a key are all kept.
    @Test func nullKeysAreNotCollapsed() {
        var batch = ParameterBatch([.integer])
        for _ in 0..<3 {
            batch.columns[0].appendNull()
            batch.finishRow()
        }
        #expect(KeyOrder(keys: [0], isSortable: true).apply(to: batch).count == 3)
    }

    /// Columns that the record does not have keep their values, in either database; SQLite's rows keep their number.
    @Test func upsertKeepsOtherColumns() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_keep")
        let file = try SQLiteFile()
        let ddl = "create table t(id int primary key, name varchar(20), note varchar(20) default 'x')"
        try server.sql("\(ddl); insert into t values(1,'old','kept')", database: "sink_keep")
        try file.sql(ddl, "INSERT INTO t VALUES(1,'old','kept')")
        for url in [server.url("sink_keep"), file.url] {
            try await put(url, records([(2, "two"), (1, "new")]))
        }
        let wanted = [["1", "new", "kept"], ["2", "two", "x"]]
        #expect(try server.sql("select id, name, note from t order by id", database: "sink_keep") == wanted)
        #expect(try file.sql("SELECT id, name, note FROM t ORDER BY id") == wanted)
        #expect(try file.sql("SELECT rowid FROM t WHERE id = 1") == [["1"]])
    }

    @Test func updateChangesOnlyRowsThatAreThere() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_update")
        let file = try SQLiteFile()
        let ddl = "create table t(id int primary key, name varchar(20), note varchar(20))"
        try server.sql("\(ddl); insert into t values(1,'old','kept'),(2,'gone','')", database: "sink_update")
        try file.sql(ddl, "INSERT INTO t VALUES(1,'old','kept'),(2,'gone','')")
        for url in [server.url("sink_update"), file.url] {
            try await put(
                url, records([(1, "a"), (3, "missing"), (2, nil), (1, "new")]), ["insert.mode": "update"])
        }
        #expect(try server.sql("select * from t", database: "sink_update") == [["1", "new", "kept"]])
        #expect(try file.sql("SELECT * FROM t") == [["1", "new", "kept"]])
    }

    /// Two tasks that change the same rows in opposite orders: sorted, they wait for each other and do not deadlock.
    @Test func manyRowsOfTwoTasks() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("sink_two")
        let url = server.url("sink_two")
        try await put(url, try records((0..<4_000).map { ($0, "made") }))
        let forward = try records((0..<4_000).map { ($0, "f") })
        let backward = try records((0..<4_000).reversed().map { ($0, "b") })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for batch in [forward, backward] {
                group.addTask {
                    // InnoDB may end one of two all the same: the worker gives such a batch again, and so do we.
                    while true {
                        do {
                            return try await put(url, batch)
                        } catch let error as ConnectError where error.code == .retriable {}
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(
            try server.sql("select count(*), count(distinct name) from t", database: "sink_two") == [["4000", "1"]])
    }
}
