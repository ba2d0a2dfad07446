import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Testing

@testable import ConnectSQL

/// Every column type of MariaDB against what the Java connector made of it (`golden/source/type-map.json`).
@Suite(.enabled(if: sharedFolder != nil, "no ../shared here"), .serialized)
struct MariaDBTypeTests {
    private struct Entry: Decodable {
        struct FieldSchema: Decodable {
            let type: String
            let optional: Bool
            let name: String?
            let version: Int?
            let parameters: [String: String]?
        }

        enum Payload: Decodable, Equatable {
            case integer(Int64), double(Double), text(String)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let value = try? container.decode(Int64.self) {
                    self = .integer(value)
                } else if let value = try? container.decode(Double.self) {
                    self = .double(value)
                } else {
                    self = .text(try container.decode(String.self))
                }
            }
        }

        let column: String
        let inserted: String
        let mapping: String
        let schema: FieldSchema
        let payload: Payload
    }

    /// Where we differ on purpose: the Java connector cuts bit fields to eight bits.
    private static let bits: [String: (type: SchemaType, value: Int64)] = [
        "bit8": (.int16, 0b1010_1010), "bit64": (.int64, 15),
    ]

    @Test func everyType() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("srctypes")
        let ddl = String(decoding: try golden("source/alltypes.ddl.sql"), as: UTF8.self)
        let entries = try JSONDecoder().decode([Entry].self, from: golden("source/type-map.json"))
        let inserted = entries.filter { $0.mapping == "nm-unset" }
        let columns = inserted.map(\.column).joined(separator: ",")
        let values = inserted.map(\.inserted).joined(separator: ",")
        try server.sql(
            "\(ddl.split(separator: "-- as stored")[0]); INSERT INTO alltypes(\(columns)) VALUES(\(values));",
            database: "srctypes")

        for mapping in Set(entries.map(\.mapping)) {
            var config = sourceConfig(server.url("srctypes"), "alltypes")
            if mapping == "nm-precision-true" {
                config["numeric.precision.mapping"] = "true"
            } else if mapping != "nm-unset" {
                config["numeric.mapping"] = String(mapping.dropFirst(3))
            }
            let task = SQLSourceTask()
            try await task.start(config, context: SourceContext())
            let record = try #require(try await poll(task, for: 1).records.first)
            await task.stop()
            for entry in entries where entry.mapping == mapping { try compare(entry, record) }
        }
    }

    private func compare(_ entry: Entry, _ record: SourceRecord) throws {
        let comment = Comment(rawValue: "\(entry.mapping) \(entry.column)")
        let field = try #require(record.valueSchema?.field(named: entry.column), comment)
        let value = try #require(record[entry.column], comment)
        #expect(field.schema.isOptional == entry.schema.optional, comment)
        if let bits = Self.bits[entry.column.split(separator: "_").last.map(String.init) ?? ""] {
            #expect(field.schema.type == bits.type && value.integer == bits.value, comment)
            return
        }
        #expect(field.schema.type.rawValue == entry.schema.type, comment)
        #expect(field.schema.name == entry.schema.name, comment)
        #expect(field.schema.version == entry.schema.version, comment)
        #expect(
            Dictionary(uniqueKeysWithValues: Array(field.schema.parameters)) == entry.schema.parameters ?? [:], comment)
        switch (value, entry.payload) {
        case (.string(let text), .text(let expected)): #expect(text == expected, comment)
        case (.bytes(let bytes), .text(let expected)): #expect(Data(bytes).base64EncodedString() == expected, comment)
        case (.float32(let number), .double(let expected)): #expect(Double(number) == expected, comment)
        case (.float64(let number), .double(let expected)): #expect(number == expected, comment)
        case (_, .integer(let expected)): #expect(value.integer == expected, comment)
        default: Issue.record("\(comment): \(value) is not \(entry.payload)")
        }
    }

    @Test func valuesThatRecordsCannotCarry() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("srcbad")
        try server.sql(
            """
            SET sql_mode='';
            CREATE TABLE big(id int primary key, n bigint unsigned); INSERT INTO big VALUES(1, 18446744073709551615);
            CREATE TABLE zero(id int primary key, d datetime, e date);
            INSERT INTO zero VALUES(1,'0000-00-00','0000-00-00');
            CREATE TABLE long_time(id int primary key, t time); INSERT INTO long_time VALUES(1,'-01:00:00');
            """, database: "srcbad")
        for (table, column) in [("big", "n"), ("zero", "d"), ("long_time", "t")] {
            let task = SQLSourceTask()
            try await task.start(sourceConfig(server.url("srcbad"), table), context: SourceContext())
            await #expect {
                _ = try await poll(task, for: 1)
            } throws: { error in
                guard let error = error as? ConnectError else { return false }
                return error.message.contains("srcbad.\(table)") && error.message.contains("column \(column) ")
                    && !error.message.contains(MariaDBServer.password)
            }
            await task.stop()
        }
        let task = SQLSourceTask()
        let url = server.url("srcbad") + "?zeroDateTimeBehavior=CONVERT_TO_NULL"
        try await task.start(sourceConfig(url, "zero"), context: SourceContext())
        #expect(try await poll(task, for: 1).records.first?["d"] == .null)
        await task.stop()
    }

    @Test func longValuesAndOffsetZone() async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("srclong")
        try server.sql(
            """
            CREATE TABLE docs(id int primary key, body longtext, at datetime(3));
            INSERT INTO docs VALUES(1, REPEAT('é', 100000), '2024-02-29 13:14:15.123'), (2, 'x', NULL),
              (3, REPEAT('y', 300), '2024-02-29 00:00:00');
            """, database: "srclong")
        var config = sourceConfig(server.url("srclong"), "docs")
        config["db.timezone"] = "+09:00"
        let task = SQLSourceTask()
        try await task.start(config, context: SourceContext())
        let records = try await poll(task, for: 3).records
        await task.stop()
        #expect(records.map { $0["body"]?.stringValue?.count } == [100_000, 1, 300])
        #expect(records.first?["at"] == .int64(1_709_212_455_123 - 32_400_000))
    }
}

/// The tutorial's configuration with one table already assigned.
func sourceConfig(_ url: String, _ tables: String, _ extra: [String: String] = [:]) -> [String: String] {
    var config = [
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.url": url,
        "connection.user": "root", "connection.password": MariaDBServer.password, "mode": "incrementing",
        "incrementing.column.name": "id", "topic.prefix": "my_topic_", "tables": tables, "tables.fetched": "true",
    ]
    config.merge(extra) { $1 }
    return config
}
