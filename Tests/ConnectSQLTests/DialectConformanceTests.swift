import ConnectAPI
import Foundation
import OrderedCollections
import Synchronization
import Testing

@testable import ConnectSQL

/// What every dialect and driver must do alike.
@Suite(.serialized) struct DialectConformanceTests {
    private static let users = "CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50))"

    private func record(_ offset: Int64, _ fields: [(Field, ConnectValue)], key: Int = 1) throws -> SinkRecord {
        let schema = Schema.structure(name: "t", fields: fields.map(\.0))
        let keySchema = Schema.structure(name: "k", fields: Array(schema.fields.prefix(key)))
        return SinkRecord(
            topic: "t", partition: 0, offset: offset, keySchema: keySchema,
            key: .structure(try Struct(schema: keySchema, values: fields.prefix(key).map(\.1))), valueSchema: schema,
            value: .structure(try Struct(schema: schema, values: fields.map(\.1))))
    }

    private func tombstone(_ record: SinkRecord) -> SinkRecord {
        SinkRecord(
            topic: "t", partition: 0, offset: record.offset, keySchema: record.keySchema, key: record.key)
    }

    /// Every type that the sink makes a column for comes back from the source.
    @Test(arguments: TestDatabase.allCases) func everyTypeThereAndBack(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_types")
        let longText = String(repeating: "é'\\\"\n", count: 1_000)
        let fields: [(Field, ConnectValue)] = [
            (Field("id", .int32), .int32(1)), (Field("i8", .optionalInt8), .int8(-128)),
            (Field("i16", .optionalInt16), .int16(-32_768)), (Field("i64", .optionalInt64), .int64(.min)),
            (Field("f32", .optionalFloat32), .float32(1.5)), (Field("f64", .optionalFloat64), .float64(-2.5e100)),
            (Field("yes", .optionalBoolean), .boolean(true)), (Field("text", .optionalString), .string(longText)),
            (Field("data", .optionalBytes), .bytes([0, 255, 39, 92])),
            (Field("price", .decimal(scale: 2, isOptional: true)), .bytes([0x85])),  // -1.23
            (Field("day", .date(isOptional: true)), .int32(-1)),
            (Field("clock", .time(isOptional: true)), .int32(86_399_999)),
            (Field("at", .timestamp(isOptional: true)), .int64(1_709_212_455_123)),
        ]
        let nulls = fields.map { ($0.0, $0.0.name == "id" ? ConnectValue.int32(2) : .null) }
        try await database.put(
            [record(0, fields), record(1, nulls)], ["pk.mode": "record_key", "insert.mode": "upsert"])
        let source = try await database.source("t", ["mode": "bulk"])
        let rows = try await poll(source, for: 2).records.sorted {
            ($0["id"]?.integer ?? 0) < ($1["id"]?.integer ?? 0)
        }
        await source.stop()
        #expect(rows.count == 2)
        for (field, value) in fields {
            let read = rows.first?[field.name]
            switch (value, kind) {
            case (_, .sqlite) where field.schema.logicalType != nil: break  // NUMERIC columns, looked at below
            case (.boolean, .mariaDB), (.boolean, .sqlite), (.int8, _), (.int16, _), (.int32, _), (.int64, _):
                #expect(read?.integer == value.integer ?? 1, "\(field.name)")
            case (.float32, .sqlite): #expect(read == .float64(1.5))
            case (.bytes, .postgreSQL) where field.name == "price":
                // The column has no scale of its own.
                let scale = rows.first?.valueSchema?.field(named: "price")?.schema.parameters["scale"]
                #expect(scale == "127")
            default: #expect(read == value, "\(field.name)")
            }
            if field.name != "id" { #expect(rows.last?[field.name] == .null, "\(field.name)") }
        }
        if kind == .sqlite {
            #expect(
                try database.sql("SELECT price, day, clock, at FROM t WHERE id = 1")
                    == [["-1.23", "-86400000", "86399999", "1709212455123"]])
        }
    }

    /// Whatever the order of rows and deletes in a put, the table ends as if each had been done by itself.
    @Test(arguments: TestDatabase.allCases) func mixedBatches(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_mixed")
        var state: UInt64 = 42
        var records: [SinkRecord] = []
        var expected: [Int: String] = [:]
        for step in 0..<600 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let id = Int(state >> 33) % 40
            let row = try record(
                Int64(step), [(Field("id", .int32), .int32(Int32(id))), (Field("name", .string), .string("n\(step)"))])
            let isDeleted = (state >> 20) % 3 == 0
            records.append(isDeleted ? tombstone(row) : row)
            expected[id] = isDeleted ? nil : "n\(step)"
        }
        let wanted = expected.sorted { $0.key < $1.key }.map { ["\($0.key)", $0.value] }
        for size in ["7", "3000"] {
            try database.sql("DROP TABLE IF EXISTS t")
            try await database.put(
                records,
                ["insert.mode": "upsert", "pk.mode": "record_key", "delete.enabled": "true", "batch.size": size])
            #expect(try database.sql("SELECT id, name FROM t ORDER BY id") == wanted)
        }
    }

    @Test(arguments: TestDatabase.allCases) func updateChangesOnlyWhatIsThere(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_update")
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), note VARCHAR(20))")
        try database.sql("INSERT INTO t VALUES(1,'old','kept')")
        let fields = { (id: Int32, name: String) in
            [(Field("id", .int32), ConnectValue.int32(id)), (Field("name", .string), .string(name))]
        }
        try await database.put(
            [record(0, fields(1, "a")), record(1, fields(2, "missing")), record(2, fields(1, "new"))],
            ["insert.mode": "update", "pk.mode": "record_key"])
        #expect(try database.sql("SELECT id, name, note FROM t") == [["1", "new", "kept"]])
    }

    /// A new field becomes a column with its default; values are escaped; names keep their case.
    @Test(arguments: TestDatabase.allCases) func evolution(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_evolve")
        let text = Schema(type: .string, defaultValue: .string("it's \\ \"quoted\""))
        let id = (Field("id", .string), ConnectValue.string("key"))
        let task = try await database.sink(["pk.mode": "record_key", "insert.mode": "upsert"])
        try await task.put([record(0, [id])])
        try await task.put([record(1, [id, (Field("With Blank", .optionalInt64), .int64(7))])])
        try await task.put(
            [
                record(
                    2,
                    [(id.0, .string("other")), (Field("note", text), .null), (Field("n", .optionalInt32), .int32(1))])
            ])
        await task.stop()
        let quote = kind == .mariaDB ? "`" : "\""
        #expect(
            try database.sql("SELECT id, \(quote)With Blank\(quote), note, n FROM t ORDER BY id") == [
                ["key", "7", kind == .mariaDB ? "it's \\\\ \"quoted\"" : "it's \\ \"quoted\"", nil],
                ["other", nil, kind == .mariaDB ? "it's \\\\ \"quoted\"" : "it's \\ \"quoted\"", "1"],
            ])
    }

    /// One bad record among many goes to the dead letters alone.
    @Test(arguments: TestDatabase.allCases) func badRecordsStandAlone(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_bad")
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(5) CHECK (name <> 'bad'))")
        var records: [SinkRecord] = []
        for index in 0..<1_000 {
            records.append(
                try record(
                    Int64(index),
                    [
                        (Field("id", .int32), .int32(Int32(index))),
                        (Field("name", .string), .string(index == 637 ? "bad" : "ok")),
                    ]))
        }
        let reporter = Reporter()
        try await database.put(records, ["pk.mode": "record_key"], reporter: reporter)
        #expect(reporter.reported.withLock { $0.map(\.offset) } == [637])
        #expect(try database.sql("SELECT COUNT(*) FROM t") == [["999"]])
    }

    @Test(arguments: TestDatabase.allCases) func batchesAndResuming(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_batches")
        try database.sql(Self.users)
        try database.sql("INSERT INTO users VALUES" + (1...8).map { "(\($0),'n\($0)')" }.joined(separator: ","))
        let task = try await database.source("users", ["batch.max.rows": "3"])
        let batches = try await poll(task, for: 8)
        #expect(batches.map(\.records.count) == [3, 3, 2])
        #expect(batches.last?.sourceOffset == ["incrementing": .int64(8)])
        #expect(
            batches.last?.sourcePartition == [
                "protocol": .string("1"), "table": .string(database.prefix + "users"),
            ])
        #expect(batches.records.first?.valueSchema?.fields.map(\.schema.isOptional) == [false, true])
        // A column that is added while the source runs.
        try database.sql("ALTER TABLE users ADD extra INTEGER")
        try database.sql("INSERT INTO users VALUES(9,'nine',99)")
        let wider = try #require(try await poll(task, for: 1).records.first)
        #expect(wider["extra"] == .int32(99) || wider["extra"] == .int64(99))
        await task.stop()
        let resumed = try await database.source(
            "users",
            [["protocol": .string("1"), "table": .string(database.prefix + "users")]: ["incrementing": .int64(6)]])
        #expect(try await poll(resumed, for: 3).records.map { $0["id"]?.integer } == [7, 8, 9])
        await resumed.stop()
    }

    @Test(arguments: TestDatabase.allCases) func timestamps(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_time")
        let type = kind == .mariaDB ? "DATETIME(6)" : "TIMESTAMP"
        try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, at \(type) NOT NULL)")
        try database.sql(
            "INSERT INTO users VALUES(1,'2024-02-29 13:14:15.123'),(2,'2024-02-29 13:14:15.123'),"
                + "(3,'2024-02-29 13:14:16')")
        for mode in ["timestamp", "timestamp+incrementing"] {
            let task = try await database.source("users", ["mode": mode, "timestamp.column.name": "at"])
            let batches = try await poll(task, for: 3)
            #expect(batches.records.map { $0["id"]?.integer } == [1, 2, 3])
            #expect(batches.records.first?["at"] == .int64(1_709_212_455_123))
            #expect(batches.last?.sourceOffset?["timestamp"] == .int64(1_709_212_456_000))
            await task.stop()
        }
    }

    @Test(arguments: TestDatabase.allCases) func queries(_ kind: TestDatabase) async throws {
        let database = try kind.open("conf_query")
        try database.sql(Self.users)
        try database.sql("INSERT INTO users VALUES(1,'a'),(2,'b'),(3,'c')")
        let task = try await database.source(
            "", ["query": "SELECT id AS n, name FROM users WHERE id <> 2 -- two", "incrementing.column.name": "n"])
        let batches = try await poll(task, for: 2)
        await task.stop()
        #expect(batches.records.map { $0["n"]?.integer } == [1, 3])
        #expect(batches.last?.sourcePartition == ["query": .string("query")])
    }
}
