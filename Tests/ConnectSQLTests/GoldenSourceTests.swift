import ConnectAPI
import Foundation
import KafkaTesting
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectSQL

/// What the Java source made of recorded tables (`golden/source/mode-*.json`), for queries and timestamp modes.
@Suite(.enabled(if: sharedFolder != nil, "no ../shared here"), .serialized)
struct GoldenSourceTests {
    /// One recorded scenario.
    private struct Scenario {
        let setup: String
        let config: [String: String]
        /// SQL of each step (none for the first), and how many different records had been seen after it.
        let steps: [(sql: String?, count: Int)]
        /// All different records in their order. The Java driver drops fractions of seconds and sends rows again (a
        /// defect), so repetitions are left out.
        let records: [NSDictionary]
        let partition: NSDictionary?
        let offsets: [String]

        init(_ name: String) throws {
            let json = try #require(
                try JSONSerialization.jsonObject(with: golden("source/\(name).json")) as? [String: Any])
            setup = try #require(json["setup_sql"] as? [String]).joined(separator: ";")
            config = try #require(json["config"] as? [String: String])
            var records: [NSDictionary] = []
            steps = try #require(json["steps"] as? [[String: Any]]).map { step in
                for messages in (step["messages"] as? [String: [[String: Any]]] ?? [:]).values {
                    for text in messages.compactMap({ $0["value"] as? String }) {
                        let value = try #require(
                            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
                        if !records.contains(value) { records.append(value) }
                    }
                }
                let sql = step["step"] as? String
                return (sql == "initial" ? nil : sql, records.count)
            }
            self.records = records
            let offsets = (json["offsets_rest"] as? [String: Any])?["offsets"] as? [[String: Any]]
            partition = offsets?.first?["partition"] as? NSDictionary
            self.offsets = (json["offsets_topic"] as? [[String: Any]] ?? []).compactMap { $0["value"] as? String }
        }
    }

    private func json(_ record: SourceRecord) throws -> NSDictionary {
        let converter = JSONConverter()
        try converter.configure(["schemas.enable": "true"], isKey: false)
        var buffer = ByteBuffer()
        _ = try converter.fromConnect(
            topic: record.topic, schema: record.valueSchema, value: record.value, into: &buffer)
        return try #require(
            try JSONSerialization.jsonObject(with: Data(buffer.readableBytesView)) as? NSDictionary)
    }

    /// An offset as the topic holds it: the order of its keys counts.
    private func text(_ offset: OffsetMap) -> String {
        "{" + offset.map { "\"\($0.key)\":\($0.value.integer.map(String.init) ?? "?")" }.joined(separator: ",") + "}"
    }

    private func start(_ scenario: Scenario, _ server: MariaDBServer) async throws -> any SourceTask {
        try server.makeDatabase("srcdb")
        try server.sql(scenario.setup, database: "srcdb")
        var config = scenario.config
        config["connection.url"] = server.url("srcdb")
        config["poll.interval.ms"] = nil
        let context = SourceContext()
        let connector = SQLSourceConnector()
        try await connector.start(config, context: context)
        let plans = try await connector.taskConfigs(maxTasks: 3)
        await connector.stop()
        #expect(plans.count == 1)
        let plan = try #require(plans.first)
        #expect(plan["tables"] == (config["query"] == nil ? "`srcdb`.`\(config["table.whitelist"] ?? "")`" : ""))
        #expect(plan["tables.fetched"] == "true")
        let task = connector.makeTask()
        try await task.start(Dictionary(uniqueKeysWithValues: Array(plan)), context: context)
        return task
    }

    @Test(arguments: [
        "mode-g-query-incr", "mode-g-query-ts", "mode-g-ts", "mode-g-ts-initial", "mode-g-tsinc",
        "mode-my57-ts-initial", "mode-my57-ts-multi",
    ])
    func recordsAndOffsets(_ name: String) async throws {
        let server = try MariaDBServer.shared()
        let scenario = try Scenario(name)
        let task = try await start(scenario, server)
        var batches: [SourceBatch] = []
        for step in scenario.steps {
            if let sql = step.sql { try server.sql(sql, database: "srcdb") }
            batches += try await poll(task, for: step.count - batches.records.count)
        }
        // The recording of this scenario ends before its last row comes.
        let late = name == "mode-my57-ts-multi" ? 1 : 0
        // What comes now comes again, or should not.
        batches += try await poll(task, for: 1 + late, limit: .milliseconds(late == 0 ? 700 : 2_000))
        await task.stop()
        let found = try batches.records.map { try json($0) }
        #expect(found.dropLast(late) == scenario.records[...])
        let partitions = Set(batches.compactMap(\.sourcePartition))
        #expect(partitions.count == 1)
        for (key, value) in try #require(scenario.partition) {
            #expect(partitions.first?[key as? String ?? ""]?.stringValue == value as? String)
        }
        #expect(partitions.first?.count == scenario.partition?.count)
        let offsets = batches.compactMap(\.sourceOffset).map { text($0) }
        for offset in scenario.offsets { #expect(offsets.contains(offset), "\(offsets)") }
    }

    // Java appends a second WHERE and fails; here the query is a table of its own.
    @Test func queryWithWhere() async throws {
        let server = try MariaDBServer.shared()
        let task = try await start(try Scenario("mode-g-query-where"), server)
        let batch = try #require(try await poll(task, for: 1).first)
        await task.stop()
        #expect(batch.records.map { $0["name"] } == [.string("r2")])
        #expect(batch.records.first?.topic == "g-query-where-topic")
        #expect(batch.records.first?.valueSchema?.name == nil)
        #expect(batch.sourcePartition == ["query": .string("query")])
        #expect(batch.sourceOffset == ["incrementing": .int64(2)])
    }

    @Test func nullableTimestamp() async throws {
        let server = try MariaDBServer.shared()
        let task = try await start(try Scenario("mode-g-err-nullable-ts"), server)
        await #expect {
            _ = try await poll(task, for: 1)
        } throws: {
            "\($0)".contains(
                "Cannot make incremental queries using timestamp columns u on srcdb.m_e3 because all of these columns "
                    + "are nullable")
        }
        await task.stop()
    }
}
