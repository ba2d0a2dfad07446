import ConnectAPI
import Foundation
import KafkaTesting
import NIOCore
import Synchronization
import Testing

@testable import ConnectSQL

/// What the Java sink made of recorded records (`golden/sink/`), for the scenarios that use insert.
@Suite(.enabled(if: sharedFolder != nil, "no ../shared here"), .serialized)
struct GoldenSinkTests {
    /// One recorded scenario.
    private struct Scenario {
        let name: String
        let topic: String
        let config: [String: String]
        let setup: String?
        /// Records of each step, and the table after it.
        let steps: [(records: [SinkRecord], ddl: String?, rows: [[Any]])]
        let deadLetters: Int

        init(_ name: String) throws {
            let json = try #require(
                try JSONSerialization.jsonObject(with: golden("sink/\(name).json")) as? [String: Any])
            self.name = name
            topic = try #require(json["topic"] as? String)
            config = try #require(json["config"] as? [String: String])
            setup = (json["setup_sql"] as? [String])?.joined(separator: ";") ?? json["setup_sql"] as? String
            deadLetters = (json["dlq"] as? [Any])?.count ?? 0
            var offset: Int64 = 0
            let first = try #require(json["records"] as? [[String: Any]])
            let results = try #require(json["result"] as? [[String: Any]])
            let topic = topic
            steps = try results.enumerated().map { index, result in
                let records = try (index == 0 ? first : result["records"] as? [[String: Any]] ?? []).map {
                    defer { offset += 1 }
                    return try Self.record($0, topic, offset)
                }
                let table = result["table"] as? [String: Any]
                return (records, table?["ddl"] as? String, table?["rows"] as? [[Any]] ?? [])
            }
        }

        private static func record(_ json: [String: Any], _ topic: String, _ offset: Int64) throws -> SinkRecord {
            let key = try value(json["key"], topic, isKey: true)
            let value = try value(json["value"], topic, isKey: false)
            return SinkRecord(
                topic: topic, partition: 0, offset: offset, keySchema: key.schema, key: key.value,
                valueSchema: value.schema, value: value.value)
        }

        private static func value(_ json: Any?, _ topic: String, isKey: Bool) throws -> SchemaAndValue {
            guard let json, !(json is NSNull) else { return .null }
            let data = try JSONSerialization.data(withJSONObject: json, options: [.fragmentsAllowed])
            let converter = JSONConverter()
            try converter.configure(["schemas.enable": "true"], isKey: isKey)
            return try converter.toConnect(topic: topic, bytes: ByteBuffer(bytes: data))
        }
    }

    private static let database = "sinkdb"

    private func start(
        _ scenario: Scenario, _ server: MariaDBServer, _ context: SinkContext, _ extra: [String: String] = [:]
    ) async throws -> SQLSinkTask {
        try server.makeDatabase(Self.database)
        if let setup = scenario.setup { try server.sql(setup, database: Self.database) }
        var config = scenario.config
        config["connection.url"] = server.url(Self.database)
        config.merge(extra) { $1 }
        let task = SQLSinkTask()
        try await task.start(config, context: context)
        return task
    }

    @Test(arguments: [
        "pk-none-insert", "batch-3001", "case-mismatch", "deferred-null-collation-emoji", "evolve-optional",
        "evolve-two", "evolve-default-req", "fields-whitelist", "fields-whitelist-pk", "null-with-default", "nulls",
        "pk-key-prim-insert", "pk-value-nofields-insert", "quote-never", "table-name-format",
        "ts-string-into-datetime", "err-schema-primitive", "types-none", "pk-key-prim-upsert", "pk-key-prim-update",
        "pk-key-struct-upsert", "pk-value-update", "pk-value-upsert", "pk-value-nofields-upsert", "delete-tombstone",
        "tombstone-only-first", "update-existing", "types-pk-Decimal", "types-pk-boolean", "types-pk-int32",
        "types-pk-int64",
    ])
    func tableAndRows(_ name: String) async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario(name)
        let task = try await start(scenario, server, SinkContext())
        let options = try SinkOptions(scenario.config)
        let table = try #require(options.table(for: scenario.topic)).name
        for step in scenario.steps {
            try await task.put(step.records)
            try compareColumns(table, try #require(step.ddl), server)
            if name != "types-none" { try compareRows(table, step.rows, server) }
        }
        await task.stop()
        if name == "types-none" { try checkTypes(table, server) }
    }

    /// The recorded table is made anew beside ours, so that the server says whether they are alike.
    private func compareColumns(_ table: String, _ ddl: String, _ server: MariaDBServer) throws {
        try server.makeDatabase("sinkgolden")
        try server.sql(ddl, database: "sinkgolden")
        // The Java connector's VARBINARY(1024) takes no longer values: a difference on purpose.
        let expected = try server.describe(table, database: "sinkgolden").map { column in
            column.map { $0 == "varbinary(1024)" ? "longblob" : $0 }
        }
        let found = try server.describe(table, database: Self.database)
        // The order of added columns is by hash in Java.
        #expect(found.sorted { $0[0] < $1[0] } == expected.sorted { $0[0] < $1[0] })
        #expect(found.first == expected.first)
    }

    private func compareRows(_ table: String, _ rows: [[Any]], _ server: MariaDBServer) throws {
        let columns = try server.describe(table, database: Self.database).map { $0[0] }
        let golden = try server.describe(table, database: "sinkgolden").map { $0[0] }
        let found = try server.sql("SELECT * FROM `\(table)`", database: Self.database)
        let expected = rows.map { row in
            columns.map { column -> String in
                let value = row[golden.firstIndex(of: column) ?? 0]
                return value is NSNull ? "NULL" : "\(value)"
            }
        }
        #expect(found.map { $0.joined(separator: "|") }.sorted() == expected.map { $0.joined(separator: "|") }.sorted())
    }

    /// As recorded, but for the milliseconds, which the Java driver loses.
    private func checkTypes(_ table: String, _ server: MariaDBServer) throws {
        let row = try #require(
            try server.sql(
                """
                SELECT int8_opt, int16_req, int32_opt, int64_req, float_opt, double_req, boolean_opt, string_req,
                  HEX(bytes_req), Decimal_req, Date_req, Time_req, Timestamp_req, dec_p, dec_s0, dec_s10,
                  int32_req_default, string_opt_default, boolean_req_default, dec_default, date_default, time_default,
                  ts_default FROM `\(table)`
                """, database: Self.database
            ).first)
        #expect(
            row == [
                "-128", "-32768", "-2147483648", "-9223372036854775808", "1.5", "3.141592653589793", "1", "héllo",
                "00FF10", "123.45", "2024-02-29", "13:14:15.123", "2024-02-29 13:14:15.123", "1.10", "7",
                "1.0123456789", "42", "dflt", "1", "5.25", "1970-01-02", "00:00:01.000", "2024-02-29 13:14:15.123",
            ])
    }

    // Arrays, maps and structs (err-array-field, err-map-field, err-nested-struct) are written as JSON: a difference on
    // purpose, in docs/sql-differences.md.
    @Test(arguments: [
        "err-duplicate-key", "err-too-long", "err-incompatible-existing", "err-notnull-column", "evolve-off",
        "evolve-required", "tombstone-pk-none",
        "pk-value-nofields-update", "pk-key-missing-field", "pk-key-prim-nofields",
    ])
    func failures(_ name: String) async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario(name)
        let context = SinkContext()
        let task = try await start(scenario, server, context)
        for step in scenario.steps.dropLast() { try await task.put(step.records) }
        let last = try #require(scenario.steps.last)
        await #expect {
            try await task.put(last.records)
        } throws: { error in
            guard let error = error as? ConnectError else { return false }
            let namesPlace = error.message.contains(scenario.topic)
            return error.code == .fatal && namesPlace && !error.message.contains(MariaDBServer.password)
        }
        await task.stop()
        // A put that fails leaves nothing behind; data errors are not tried again.
        #expect(context.delays.withLock { $0.isEmpty })
        if last.ddl != nil {
            let rows = try server.sql("SELECT * FROM `\(scenario.topic)`", database: Self.database)
            #expect(rows.count == last.rows.count)
        }
    }

    @Test(arguments: ["dlq-incompatible", "err-dup-tolerance-all-dlq", "dlq-table-missing"])
    func deadLetters(_ name: String) async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario(name)
        let reporter = Reporter()
        let task = try await start(scenario, server, SinkContext(reporter))
        try await task.put(scenario.steps[0].records)
        await task.stop()
        #expect(reporter.reported.withLock { $0.count } == scenario.deadLetters)
        #expect(reporter.reported.withLock { $0.allSatisfy { $0.message.contains(scenario.topic) } })
        if scenario.steps[0].ddl != nil {
            let rows = try server.sql("SELECT * FROM `\(scenario.topic)`", database: Self.database)
            #expect(rows.map { $0.map { $0 } } == scenario.steps[0].rows.map { $0.map { "\($0)" } })
        }
    }

    // golden/sink/tz-tokyo.json
    @Test func zone() async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario("tz-tokyo")
        let task = try await start(scenario, server, SinkContext())
        try await task.put(scenario.steps[0].records)
        await task.stop()
        let rows = try server.sql(
            "SELECT d, TIME_FORMAT(t,'%H:%i:%s'), DATE_FORMAT(ts,'%Y-%m-%d %H:%i:%s') FROM `s_tz-tokyo`",
            database: Self.database)
        #expect(rows == [["2024-02-29", "22:14:15", "2024-02-29 22:14:15"]])
    }

    // Where Java fails (golden/sink/types-pk-string.json, pk-kafka-*.json), a key has a length here.
    @Test func stringKeys() async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario("types-pk-string")
        let task = try await start(scenario, server, SinkContext())
        try await task.put(scenario.steps[0].records)
        await task.stop()
        #expect(
            try server.describe(scenario.topic, database: Self.database)
                == [["id", "varchar(255)", "NO", "PRI", "NULL"], ["x", "text", "YES", "", "NULL"]])
        for name in [
            "pk-kafka-upsert", "pk-kafka-fields-upsert", "pk-kafka-update", "pk-kafka-fields-update",
            "pk-value-two-upsert", "pk-value-two-update", "pk-key-struct2-nofields-upsert",
            "pk-key-struct2-nofields-update",
        ] {
            let scenario = try Scenario(name)
            let task = try await start(scenario, server, SinkContext())
            // Twice: an upsert finds its rows again.
            for _ in 0..<2 { try await task.put(scenario.steps[0].records) }
            await task.stop()
            let rows = try server.sql("SELECT * FROM `\(scenario.topic)`", database: Self.database)
            #expect(rows.count == (name.hasSuffix("upsert") ? scenario.steps[0].records.count : 0), "\(name)")
            if name == "pk-kafka-upsert" { #expect(rows.first?.prefix(4) == [scenario.topic, "0", "0", "1"]) }
        }
    }

    // Java runs UPDATE without WHERE here, which would change every row (connect-behaviour.md, Sink 3).
    @Test(arguments: ["pk-none-update", "pk-none-upsert"])
    func keylessChangesAreRefused(_ name: String) async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario(name)
        await #expect {
            _ = try await start(scenario, server, SinkContext())
        } throws: { "\($0)".contains("pk.mode") }
    }
}
