import ConnectAPI
import Foundation
import KafkaTesting
import Testing

@testable import ConnectSQL

/// `timestamp.granularity`.
@Suite(.serialized) struct GranularityTests {
    private static let ddl = """
        create table alltypes(id int primary key, c_dt datetime, c_dt3 datetime(3), c_dt6 datetime(6),
          c_ts timestamp null, c_ts6 timestamp(6) null, nn_c_dt datetime not null, nn_c_dt3 datetime(3) not null,
          nn_c_dt6 datetime(6) not null, nn_c_ts timestamp not null, nn_c_ts6 timestamp(6) not null);
        set @t = '2024-02-29 13:14:15.123456';
        insert into alltypes values(1,@t,@t,@t,@t,@t,@t,@t,@t,@t,@t);
        """

    private func record(_ url: String, _ table: String, _ extra: [String: String]) async throws -> SourceRecord {
        let task = SQLSourceTask()
        try await task.start(sourceConfig(url, table, extra), context: SourceContext())
        do {
            let records = try await poll(task, for: 1).records
            await task.stop()
            return try #require(records.first)
        } catch {
            await task.stop()
            throw error
        }
    }

    // golden/source/messages-gran-*.json
    @Test(
        .enabled(if: sharedFolder != nil, "no ../shared here"),
        arguments: ["connect_logical", "micros_string", "nanos_string", "micros_iso_datetime_string"])
    func recorded(_ granularity: String) async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("src_gran")
        try server.sql(Self.ddl, database: "src_gran")
        let json = try JSONSerialization.jsonObject(with: golden("source/messages-gran-\(granularity).json"))
        let message = try #require((json as? [[String: Any]])?.first?["value_json"] as? [String: Any])
        let payload = try #require(message["payload"] as? [String: Any])
        let schemas = try #require((message["schema"] as? [String: Any])?["fields"] as? [[String: Any]])
        let record = try await record(
            server.url("src_gran"), "alltypes", ["timestamp.granularity": granularity.uppercased()])
        for field in try #require(record.valueSchema).fields.dropFirst() {
            let value = try #require(record[field.name])
            let schema = try #require(schemas.first { $0["field"] as? String == field.name })
            #expect(field.schema.type.rawValue == schema["type"] as? String, "\(field.name)")
            #expect(field.schema.name == schema["name"] as? String, "\(field.name)")
            #expect(field.schema.isOptional == schema["optional"] as? Bool, "\(field.name)")
            let expected = try #require(payload[field.name])
            #expect(value.stringValue ?? value.integer.map { "\($0)" } == "\(expected)", "\(field.name)")
        }
    }

    @Test func numbersAndZones() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("src_gran2")
        try server.sql(
            "create table t(id int primary key, at datetime(6)); insert into t values(1,'2024-02-29 13:14:15.123456')",
            database: "src_gran2")
        let file = try SQLiteFile()
        try file.sql(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME)",
            "INSERT INTO t VALUES(1,'2024-02-29 04:14:15.123456')")
        let wanted: [(String, ConnectValue)] = [
            ("micros_long", .int64(1_709_180_055_123_456)), ("nanos_long", .int64(1_709_180_055_123_456_000)),
            ("micros_string", .string("1709180055123456")), ("connect_logical", .int64(1_709_180_055_123)),
        ]
        for (granularity, value) in wanted {
            let extra = ["timestamp.granularity": granularity, "db.timezone": "Asia/Tokyo"]
            #expect(try await record(server.url("src_gran2"), "t", extra)["at"] == value, "\(granularity)")
            #expect(try await record(file.url, "t", extra)["at"] == value, "\(granularity)")
        }
        let extra = ["timestamp.granularity": "nanos_iso_datetime_string", "db.timezone": "Asia/Tokyo"]
        #expect(
            try await record(server.url("src_gran2"), "t", extra)["at"] == .string("2024-02-29T13:14:15.123456000"))
    }

    /// Nanoseconds since the epoch fit an int64 until 2262: no wrong number beyond it.
    @Test func tooFarForNanoseconds() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("src_gran3")
        try server.sql(
            "create table t(id int primary key, at datetime); insert into t values(1,'2300-01-01')",
            database: "src_gran3")
        await #expect {
            _ = try await record(server.url("src_gran3"), "t", ["timestamp.granularity": "nanos_long"])
        } throws: { "\($0)".contains("column at") && "\($0)".contains("timestamp.granularity") }
        #expect(
            try await record(server.url("src_gran3"), "t", ["timestamp.granularity": "micros_long"])["at"]
                == .int64(10_413_792_000_000_000))
    }
}
