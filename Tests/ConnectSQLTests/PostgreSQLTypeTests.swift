import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Testing

@testable import ConnectSQL

/// Every common type of PostgreSQL: what psql writes, and what a record then holds
/// (`reference/jdbc-semantics.md` 5.3).
@Suite(.serialized) struct PostgreSQLTypeTests {
    private struct Entry {
        let type: String
        let literal: String
        let schema: Schema
        let value: ConnectValue

        init(_ type: String, _ literal: String, _ schema: Schema, _ value: ConnectValue) {
            self.type = type
            self.literal = literal
            self.schema = schema
            self.value = value
        }
    }

    private static let instant: Int64 = 1_709_212_455_123

    private static let entries: [Entry] = [
        Entry("boolean", "true", .optionalBoolean, .boolean(true)),
        Entry("smallint", "-32768", .optionalInt16, .int16(-32_768)),
        Entry("integer", "2147483647", .optionalInt32, .int32(.max)),
        Entry("bigint", "-9223372036854775808", .optionalInt64, .int64(.min)),
        Entry("real", "1.5", .optionalFloat32, .float32(1.5)),
        Entry("double precision", "'NaN'", .optionalFloat64, .float64(.nan)),
        Entry("money", "'12.34'", .optionalFloat64, .float64(12.34)),
        Entry("numeric(10,2)", "-1.23", .decimal(scale: 2, precision: 10, isOptional: true), .bytes([0x85])),
        Entry("numeric(38,10)", "0.0000000001", .decimal(scale: 10, precision: 38, isOptional: true), .bytes([1])),
        Entry(
            "numeric(30,0)", "123456789012345678901234567890",
            .decimal(scale: 0, precision: 30, isOptional: true),
            .bytes([0x01, 0x8E, 0xE9, 0x0F, 0xF6, 0xC3, 0x73, 0xE0, 0xEE, 0x4E, 0x3F, 0x0A, 0xD2])),
        Entry("text", "'é\\\"'", .optionalString, .string("é\\\"")),
        Entry("varchar(5)", "'abc'", .optionalString, .string("abc")),
        Entry("char(5)", "'abc'", .optionalString, .string("abc  ")),
        Entry("name", "'n'", .optionalString, .string("n")),
        Entry("bytea", "'\\x00ff'", .optionalBytes, .bytes([0, 255])),
        Entry(
            "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", .optionalString,
            .string("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        Entry("json", "'{\"a\": 1}'", .optionalString, .string("{\"a\": 1}")),
        Entry("jsonb", "'{\"a\":1}'", .optionalString, .string("{\"a\": 1}")),
        Entry("xml", "'<a/>'", .optionalString, .string("<a/>")),
        Entry("mood", "'happy'", .optionalString, .string("happy")),
        Entry("positive", "7", .optionalInt32, .int32(7)),
        Entry("interval", "'1 year 2 mons 3 days 04:05:06.789'", .optionalString, .string("P1Y2M3DT4H5M6.789S")),
        Entry("inet", "'192.168.0.1/24'", .optionalString, .string("192.168.0.1/24")),
        Entry("int4range", "'[1,5)'", .optionalString, .string("[1,5)")),
        Entry("point", "'(1,2)'", .optionalString, .string("(1,2)")),
        Entry("bit(1)", "B'1'", .optionalBoolean, .boolean(true)),
        Entry("bit(5)", "B'10101'", .optionalInt8, .int8(21)),
        Entry("varbit(9)", "B'101'", .optionalString, .string("101")),
        Entry("date", "'1969-12-31'", .date(isOptional: true), .int32(-1)),
        Entry("time", "'13:14:15.123'", .time(isOptional: true), .int32(47_655_123)),
        Entry("timetz", "'13:14:15.123+00'", .time(isOptional: true), .int32(47_655_123)),
        Entry("timestamp", "'2024-02-29 13:14:15.123'", .timestamp(isOptional: true), .int64(instant)),
        Entry("timestamptz", "'2024-02-29 15:14:15.123+02'", .timestamp(isOptional: true), .int64(instant)),
        Entry(
            "integer[]", "'{1,NULL,3}'", .array(of: .optionalInt32, isOptional: true),
            .array([.int32(1), .null, .int32(3)])),
        Entry(
            "text[]", "'{\"a,b\",\"\\\"\"}'", .array(of: .optionalString, isOptional: true),
            .array([.string("a,b"), .string("\"")])),
        Entry("uuid[]", "'{}'", .array(of: .optionalString, isOptional: true), .array([])),
        Entry("mood[]", "'{happy}'", .array(of: .optionalString, isOptional: true), .array([.string("happy")])),
        Entry(
            "inet[]", "'{10.0.0.1}'", .array(of: .optionalString, isOptional: true), .array([.string("10.0.0.1/32")])),
    ]

    private static let types = "CREATE TYPE mood AS ENUM('happy','sad'); CREATE DOMAIN positive AS int CHECK (VALUE>0);"

    /// Read, and written by a sink into a table of the same types, where psql sees the same.
    @Test func everyTypeThereAndBack() async throws {
        let database = try TestDatabase.postgreSQL.open("pg_types")
        let columns = Self.entries.enumerated().map { "c\($0.offset) \($0.element.type)" }.joined(separator: ",")
        try database.sql("\(Self.types) CREATE TABLE a(id int PRIMARY KEY,\(columns)); CREATE TABLE t(LIKE a)")
        try database.sql(
            "INSERT INTO a VALUES(1,\(Self.entries.map(\.literal).joined(separator: ",")));"
                + "INSERT INTO a(id) VALUES(2)")
        let source = try await database.source("a")
        let records = try await poll(source, for: 2).records
        await source.stop()
        let record = try #require(records.first)
        for (index, entry) in Self.entries.enumerated() {
            let comment = Comment(rawValue: entry.type)
            let schema = try #require(record.valueSchema?.field(named: "c\(index)")?.schema, comment)
            #expect(schema == entry.schema, comment)
            if case .float64(let number) = entry.value, number.isNaN {
                #expect("\(record["c\(index)"] ?? .null)" == "\(ConnectValue.float64(.nan))", comment)
            } else {
                #expect(record["c\(index)"] == entry.value, comment)
            }
            #expect(records.last?["c\(index)"] == .null, comment)
        }
        let sinkRecords = records.enumerated().map { offset, record in
            SinkRecord(
                topic: "t", partition: 0, offset: Int64(offset), valueSchema: record.valueSchema, value: record.value)
        }
        try await database.put(sinkRecords)
        #expect(
            try database.sql("SELECT t::text FROM t ORDER BY id")
                == database.sql("SELECT a::text FROM a ORDER BY id"))
    }

    /// The zone of `db.timezone` is that of dates and times without one, and of no others.
    @Test func zones() async throws {
        let database = try TestDatabase.postgreSQL.open("pg_zones")
        try database.sql(
            "CREATE TABLE a(id int PRIMARY KEY, local timestamp, instant timestamptz); CREATE TABLE t(LIKE a);"
                + "INSERT INTO a VALUES(1,'2024-02-29 22:14:15.123','2024-02-29 13:14:15.123+00')")
        let zone = ["db.timezone": "Asia/Tokyo"]
        let source = try await database.source("a", zone)
        let record = try #require(try await poll(source, for: 1).records.first)
        await source.stop()
        #expect(record["local"] == .int64(Self.instant) && record["instant"] == .int64(Self.instant))
        try await database.put(
            [SinkRecord(topic: "t", partition: 0, offset: 0, valueSchema: record.valueSchema, value: record.value)],
            zone)
        #expect(
            try database.sql("SELECT local, instant AT TIME ZONE 'UTC' FROM t")
                == [["2024-02-29 22:14:15.123", "2024-02-29 13:14:15.123"]])
    }

    @Test(arguments: [
        ("none", SchemaType.bytes), ("precision_only", .int32), ("best_fit", .int32), ("best_fit_eager_double", .int32),
    ])
    func numericMapping(_ mapping: String, _ type: SchemaType) async throws {
        let database = try TestDatabase.postgreSQL.open("pg_numeric")
        try database.sql(
            "CREATE TABLE a(id int PRIMARY KEY, n numeric(9,0), f numeric(9,2), x numeric);"
                + "INSERT INTO a VALUES(1, 42, 1.25, 123456789.000000001)")
        let source = try await database.source("a", ["numeric.mapping": mapping])
        let record = try #require(try await poll(source, for: 1).records.first)
        await source.stop()
        #expect(record.valueSchema?.field(named: "n")?.schema.type == type)
        if type == .int32 { #expect(record["n"] == .int32(42)) }
        if mapping.hasPrefix("best") { #expect(record["f"] == .float64(1.25)) }
        // Without digits declared a number is never cut.
        #expect(record.valueSchema?.field(named: "x")?.schema.parameters["scale"] == "127")
    }

    @Test func errorsAreSorted() {
        let kinds: [(String, SQLError.Kind)] = [
            ("40P01", .transient), ("40001", .transient), ("55P03", .transient), ("53100", .transient),
            ("53300", .transient), ("57P01", .connection), ("08006", .connection), ("22001", .data), ("23505", .data),
            ("42P01", .tableMissing), ("42703", .other), ("42501", .other),
        ]
        for (state, kind) in kinds { #expect(PostgreSQLError.kind(state) == kind, "\(state)") }
        #expect(!PostgreSQLError.connecting("FATAL:  password authentication failed for user \"a\"").isRetriable)
        #expect(PostgreSQLError.connecting("connection refused\nIs the server running?").isRetriable)
    }

    @Test func urls() throws {
        let url = try PostgreSQLURL(
            "//[::1]:6000,b/my%20db?sslmode=verify-full&sslrootcert=/ca.pem&connectTimeout=3&x=1")
        #expect(url.options.parameters["host"] == "::1,b")
        #expect(url.options.parameters["port"] == "6000,5432")
        #expect(url.options.parameters["dbname"] == "my db")
        #expect(url.options.parameters["sslmode"] == "verify-full")
        #expect(url.options.connectTimeout == .seconds(3))
        #expect(url.unknownParameters == ["x"])
        #expect(try PostgreSQLURL("db").options.parameters["host"] == "localhost")
        #expect(throws: ConnectError.self) { try PostgreSQLURL("//h:0/db") }
    }

    @Test func wrongPasswordIsToldWithoutIt() async throws {
        let server = try PostgreSQLServer.shared()
        let results = await SourceValidation.validate([
            "name": "c", "connector.class": "x", "connection.url": server.url("postgres"),
            "connection.user": "postgres",
            "connection.password": "secret123", "mode": "bulk", "topic.prefix": "t_", "table.whitelist": "a",
        ])
        let errors = try #require(results.first { $0.name == "connection.url" }?.errors)
        #expect(errors.first?.contains("password authentication failed") == true)
        #expect(!"\(results)".contains("secret123"))
    }
}
