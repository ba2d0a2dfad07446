import ConnectAPI
import Foundation
import Synchronization
import Testing

@testable import ConnectSQL

/// Columns that become wider (`auto.evolve.types`), and statements that are not run (`ddl.mode`).
@Suite(.serialized) struct DDLModeTests {
    private func record(_ offset: Int64, _ fields: [(Field, ConnectValue)]) throws -> SinkRecord {
        let schema = Schema.structure(name: "t", fields: fields.map(\.0))
        return SinkRecord(
            topic: "t", partition: 0, offset: offset, valueSchema: schema,
            value: .structure(try Struct(schema: schema, values: fields.map(\.1))))
    }

    private func message(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [TestDatabase.mariaDB, .postgreSQL]) func columnsBecomeWider(_ kind: TestDatabase) async throws {
        let database = try kind.open("ddl_widen")
        let comment = kind == .mariaDB ? " COMMENT 'how, many'" : ""
        try database.sql(
            "CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY, n SMALLINT NOT NULL DEFAULT 7\(comment), "
                + "f \(kind == .mariaDB ? "FLOAT" : "REAL"), kept BIGINT)")
        let fields: [(Field, ConnectValue)] = [
            (Field("id", .int64), .int64(5_000_000_000)), (Field("n", .int32), .int32(1_000_000)),
            (Field("f", .optionalFloat64), .float64(0.1)), (Field("kept", .optionalInt32), .int32(1)),
        ]
        // Off by default: the value does not fit.
        let refused = await message { try await database.put([record(0, fields)]) }
        #expect(refused.contains(kind == .mariaDB ? "22003" : "out of range"), "\(refused)")
        try await database.put([record(0, fields)], ["auto.evolve.types": "true"])
        #expect(try database.sql("SELECT id, n, f, kept FROM t") == [["5000000000", "1000000", "0.1", "1"]])
        let types = try database.sql(
            "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
                + "WHERE table_name = 't' AND table_schema = '\(kind == .mariaDB ? "ddl_widen" : "public")' "
                + "ORDER BY ordinal_position")
        #expect(
            types == [
                ["id", "bigint", "NO", nil], ["n", kind == .mariaDB ? "int" : "integer", "NO", "7"],
                ["f", kind == .mariaDB ? "double" : "double precision", "YES", nil], ["kept", "bigint", "YES", nil],
            ])
        if kind == .mariaDB {
            let comments = try database.sql(
                "SELECT column_comment FROM information_schema.columns WHERE table_schema = 'ddl_widen' "
                    + "AND column_name = 'n'")
            #expect(comments == [["how, many"]])
        }
    }

    @Test(arguments: TestDatabase.allCases) func statementsAreReported(_ kind: TestDatabase) async throws {
        let database = try kind.open("ddl_fail")
        let id = (Field("id", .int32), ConnectValue.int32(1))
        let created = await message { try await database.put([record(0, [id])], ["ddl.mode": "fail"]) }
        #expect(created.contains("CREATE TABLE") && created.contains("ddl.mode=fail"), "\(created)")
        try database.sql("CREATE TABLE t(id INTEGER NOT NULL)")
        let extra = (Field("extra", .optionalString), ConnectValue.string("x"))
        let altered = await message { try await database.put([record(0, [id, extra])], ["ddl.mode": "fail"]) }
        #expect(altered.contains("ALTER TABLE") && altered.contains("extra"), "\(altered)")
        #expect(try database.sql("SELECT * FROM t").isEmpty)
        // Skipped: what has a column is written.
        try await database.put([record(0, [id, extra]), record(1, [id, extra])], ["ddl.mode": "skip"])
        #expect(try database.sql("SELECT * FROM t") == [["1"], ["1"]])
        try database.sql("DROP TABLE t")
        let missing = await message { try await database.put([record(0, [id])], ["ddl.mode": "skip"]) }
        #expect(missing.contains("does not exist") && missing.contains("ddl.mode=skip"), "\(missing)")
        // With dead letters the refused record goes there, with the statement.
        let reporter = Reporter()
        try await database.put([record(0, [id])], ["ddl.mode": "fail"], reporter: reporter)
        #expect(reporter.reported.withLock { $0.count == 1 && $0[0].message.contains("CREATE TABLE") })
    }
}
