import ConnectAPI
import Foundation
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectSQL

/// Options of the source: which tables, which columns, what the records hold.
@Suite(.serialized) struct SourceOptionTests {
    private static let base = ["connection.url": "jdbc:mysql://h/db", "mode": "incrementing", "topic.prefix": "t_"]

    private func options(_ extra: [String: String]) throws -> SourceOptions {
        try SourceOptions(Self.base.merging(extra) { $1 })
    }

    @Test func patternsMatchTheWholeName() throws {
        let filter = try options(["table.include.list": "db\\.us.*,shop\\..*", "table.exclude.list": ".*_old"]).filter
        for (name, isRead) in [("users", true), ("users_old", false), ("my_users", false), ("us", true)] {
            #expect(filter.accepts(TableID(catalog: "db", name: name)) == isRead, "\(name)")
        }
        #expect(filter.accepts(TableID(catalog: "shop", name: "orders")))
        #expect(!filter.accepts(TableID(catalog: "other", name: "orders")))
        #expect(throws: ConnectError.self) { try options(["table.include.list": "a("]) }
    }

    @Test func columnsByTable() throws {
        let options = try options([
            "mode": "timestamp+incrementing", "table.include.list": ".*",
            "timestamp.columns.mapping": ".*\\.users:[changed|made],.*\\.orders:[at]",
            "incrementing.column.mapping": ".*:id",
        ])
        #expect(
            try options.mode(for: TableID(catalog: "db", name: "users"))
                == .timestampAndIncrementing(columns: ["changed", "made"], column: "id"))
        #expect(
            try options.mode(for: TableID(catalog: "db", name: "orders"))
                == .timestampAndIncrementing(columns: ["at"], column: "id"))
        #expect(throws: ConnectError.self) { try options.mode(for: TableID(catalog: "db", name: "none")) }
    }

    @Test(arguments: [
        (["table.include.list": ".*", "table.whitelist": "a"], "table.include.list"),
        (["table.exclude.list": "a"], "table.exclude.list"),
        (["incrementing.column.name": "id", "incrementing.column.mapping": ".*:id"], "incrementing.column.mapping"),
    ])
    func whatDoesNotFitTogether(_ extra: [String: String], _ option: String) async {
        let config = Self.base.merging(extra) { $1 }.merging(["name": "c", "connector.class": "x"]) { $1 }
        let results = await SourceValidation.validate(config)
        #expect(results.first { $0.name == option }?.errors.isEmpty == false)
    }

    @Test(arguments: TestDatabase.allCases) func keyFromThePrimaryKey(_ kind: TestDatabase) async throws {
        let database = try kind.open("opt_key")
        try database.sql(
            "CREATE TABLE users(name VARCHAR(9), id INTEGER NOT NULL, part INTEGER NOT NULL, PRIMARY KEY(part, id))")
        try database.sql("INSERT INTO users VALUES('a',1,7)")
        for mode in ["bulk", "incrementing"] {
            let task = try await database.source("users", ["record.key": "primary_key", "mode": mode])
            let record = try #require(try await poll(task, for: 1).records.first)
            await task.stop()
            #expect(record.keySchema?.fields.map(\.name) == ["id", "part"])
            #expect(record.key.structValue?.values.map(\.integer) == [1, 7])
        }
    }

    @Test func mariaDBBooleansAndDecimals() async throws {
        let database = try TestDatabase.mariaDB.open("opt_types")
        try database.sql(
            "CREATE TABLE a(id int PRIMARY KEY, yes tinyint(1), n tinyint, d decimal(9,2)); "
                + "INSERT INTO a VALUES(1, 1, 1, 1.25)")
        var url = database.connection
        url["connection.url"] = database.url + "?transformedBitIsBoolean=true"
        let task = SQLSourceTask()
        try await task.start(
            url.merging([
                "mode": "incrementing", "incrementing.column.name": "id", "topic.prefix": "t_", "tables": "opt_types.a",
                "tables.fetched": "true", "decimal.mapping": "best_fit",
            ]) { $1 }, context: SourceContext())
        let record = try #require(try await poll(task, for: 1).records.first)
        await task.stop()
        #expect(record["yes"] == .boolean(true))
        #expect(record["n"] == .int8(1))
        #expect(record["d"] == .float64(1.25))
    }
}

/// Options of the sink about what records hold.
@Suite(.serialized) struct SinkOptionTests {
    /// JSON with `schemas.enable=false`: the table says what the columns are.
    @Test(arguments: TestDatabase.allCases) func recordsWithoutSchema(_ kind: TestDatabase) async throws {
        let database = try kind.open("opt_json")
        let date = kind == .mariaDB ? "DATETIME" : kind == .sqlite ? "TEXT" : "TIMESTAMP"
        try database.sql(
            "CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), price DECIMAL(9,2), at \(date), "
                + "tags VARCHAR(50))")
        let texts = [
            #"{"id":1,"name":"a","price":1.25,"at":"2024-02-29 13:14:15","tags":["x",1]}"#,
            #"{"id":2,"name":null,"unknown":null,"price":3}"#,
        ]
        let converter = JSONConverter()
        try converter.configure(["schemas.enable": "false"], isKey: false)
        let records = try texts.enumerated().map { offset, text in
            let value = try converter.toConnect(topic: "t", bytes: .init(string: text))
            return SinkRecord(
                topic: "t", partition: 0, offset: Int64(offset), valueSchema: value.schema, value: value.value)
        }
        try await database.put(
            records, ["pk.mode": "record_value", "pk.fields": "id", "insert.mode": "upsert", "auto.evolve": "false"])
        #expect(
            try database.sql("SELECT id, name, at, tags FROM t ORDER BY id") == [
                ["1", "a", "2024-02-29 13:14:15", #"["x",1]"#], ["2", nil, nil, nil],
            ])
        #expect(try database.sql("SELECT id FROM t WHERE price = 1.25 OR price = 3 ORDER BY id") == [["1"], ["2"]])
    }

    @Test(arguments: TestDatabase.allCases) func timestampFields(_ kind: TestDatabase) async throws {
        let database = try kind.open("opt_stamps")
        for (mode, factor) in [("microseconds", Int64(1)), ("nanoseconds", 1_000)] {
            try database.sql("DROP TABLE IF EXISTS t")
            let schema = Schema.structure(name: "t", fields: [Field("a", .int64), Field("b", .string)])
            let value = 1_709_212_455_123_456 * factor
            let record = SinkRecord(
                topic: "t", partition: 0, offset: 0, valueSchema: schema,
                value: .structure(try Struct(schema: schema, values: [.int64(value), .string("\(value)")])))
            try await database.put([record], ["timestamp.fields.list": "a,b", "timestamp.precision.mode": mode])
            let expected = kind == .sqlite ? "1709212455123" : "2024-02-29 13:14:15.123456"
            #expect(try database.sql("SELECT a, b FROM t") == [[expected, expected]])
        }
    }
}
