import ConnectAPI
import Foundation
import OrderedCollections
import Testing

@testable import ConnectSQL

@Suite struct SQLiteSourceTests {
    private func config(_ file: SQLiteFile, _ table: String, _ extra: [String: String] = [:]) -> [String: String] {
        var config = [
            "connection.url": file.url, "mode": "incrementing", "incrementing.column.name": "id",
            "topic.prefix": "p_", "tables": table, "tables.fetched": "true",
        ]
        config.merge(extra) { $1 }
        return config
    }

    @Test func typesByDeclaration() async throws {
        let file = try SQLiteFile()
        try file.sql(
            """
            CREATE TABLE u(id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(20) NOT NULL, n INT, r REAL, b BLOB,
              ok BOOLEAN, d DECIMAL(10,2), day DATE, t TIME, at DATETIME DEFAULT CURRENT_TIMESTAMP,
              ms TIMESTAMP, x MONEY)
            """,
            """
            INSERT INTO u VALUES(7,'é',-5,1.5,x'00ff',1,12.5,'2024-02-29','13:14:15','2024-02-29 13:14:15',
              1709212455123,'3 coins')
            """)
        let task = SQLSourceTask()
        try await task.start(config(file, "`u`"), context: SourceContext())
        let batch = try #require(try await poll(task, for: 1).first)
        let record = try #require(batch.records.first)
        #expect(
            record.value.structValue?.values == [
                .int64(7), .string("é"), .int32(-5), .float64(1.5), .bytes([0, 255]), .boolean(true),
                .bytes([0x04, 0xE2]), .int32(19_782), .int32(47_655_000), .int64(1_709_212_455_000),
                .int64(1_709_212_455_123), .string("3 coins"),
            ])
        let schema = try #require(record.valueSchema)
        #expect(schema.fields.prefix(3).map(\.schema.isOptional) == [false, false, true])
        #expect(schema.field(named: "at")?.schema == .timestamp(isOptional: true))
        #expect(schema.field(named: "d")?.schema == .decimal(scale: 2, precision: 10, isOptional: true))
        #expect(batch.sourcePartition == ["protocol": .string("1"), "table": .string("u")])
        #expect(batch.sourceOffset == ["incrementing": .int64(7)])
        await task.stop()
    }

    @Test func newRowsTableAlteredDroppedAndMade() async throws {
        let file = try SQLiteFile()
        try file.sql("CREATE TABLE u(id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO u VALUES(1,'a')")
        let task = SQLSourceTask()
        try await task.start(config(file, "u"), context: SourceContext())
        #expect(try await poll(task, for: 1).records.count == 1)
        try file.sql("INSERT INTO u VALUES(2,'b')")
        #expect(try await poll(task, for: 1).records.map { $0["id"] } == [.int64(2)])
        try file.sql("ALTER TABLE u ADD age INT", "INSERT INTO u VALUES(3,'c',30)")
        #expect(try await poll(task, for: 1).records.first?["age"] == .int32(30))
        try file.sql("DROP TABLE u")
        #expect(try await task.poll().isEmpty)
        try file.sql("CREATE TABLE u(id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO u VALUES(10,'z')")
        #expect(try await poll(task, for: 1).records.map { $0["id"] } == [.int64(10)])
        await task.stop()
    }

    @Test func chosenPollIntervalIsKept() async throws {
        let file = try SQLiteFile()
        try file.sql("CREATE TABLE u(id INTEGER PRIMARY KEY)", "INSERT INTO u VALUES(1)")
        let task = SQLSourceTask()
        try await task.start(config(file, "u", ["poll.interval.ms": "400"]), context: SourceContext())
        #expect(try await poll(task, for: 1).records.count == 1)
        let start = ContinuousClock.now
        try file.sql("INSERT INTO u VALUES(2)")
        #expect(try await poll(task, for: 1).records.count == 1)
        #expect(ContinuousClock.now - start > .milliseconds(300))
        await task.stop()
    }

    @Test func cancelledWhileWaiting() async throws {
        let file = try SQLiteFile()
        try file.sql("CREATE TABLE u(id INTEGER PRIMARY KEY)")
        let config = config(file, "u", ["poll.interval.ms": "60000"])
        let running = Task {
            let task = SQLSourceTask()
            try await task.start(config, context: SourceContext())
            while true { _ = try await task.poll() }
        }
        running.cancel()
        let result = await running.result
        #expect(throws: CancellationError.self) { try result.get() }
    }

    @Test func missingFile() async throws {
        let file = try SQLiteFile()
        let results = await SQLSourceConnector().validate([
            "connection.url": file.url, "mode": "bulk", "topic.prefix": "p",
        ])
        let url = try #require(results.first { $0.name == "connection.url" })
        #expect(url.errors.first?.hasPrefix("Could not connect to database. unable to open database file") == true)
        #expect(!FileManager.default.fileExists(atPath: file.path))
    }
}
