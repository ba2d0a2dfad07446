import ConnectAPI
import Foundation
import OrderedCollections
import Testing

@testable import ConnectSQL

/// One table read by several tasks (`incrementing.parallel.read`): every row once, wherever it is broken off.
@Suite(.serialized) struct ParallelReadTests {
    private static let options = [
        "mode": "incrementing", "incrementing.column.name": "id", "topic.prefix": "t_", "table.whitelist": "users",
        "incrementing.parallel.read": "true", "batch.max.rows": "100", "max.buffer.size": "100",
    ]

    private func fill(_ database: OpenDatabase, _ ids: Range<Int>) throws {
        try database.sql("CREATE TABLE IF NOT EXISTS users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))")
        try database.sql("INSERT INTO users VALUES" + ids.map { "(\($0),'n\($0)')" }.joined(separator: ","))
    }

    /// The tasks' configurations that a connector plans with what is stored.
    private func plan(
        _ database: OpenDatabase, _ stored: [OffsetMap: OffsetMap], tasks: Int
    ) async throws -> [[String: String]] {
        let connector = SQLSourceConnector()
        try await connector.start(
            Self.options.merging(database.connection) { $1 }, context: SourceContext(stored))
        let configs = try await connector.taskConfigs(maxTasks: tasks)
        await connector.stop()
        return configs.map { Dictionary(uniqueKeysWithValues: $0.map { ($0.key, $0.value) }) }
    }

    private func store(_ batches: [SourceBatch], in offsets: inout [OffsetMap: OffsetMap]) {
        for batch in batches {
            if let partition = batch.sourcePartition, let offset = batch.sourceOffset { offsets[partition] = offset }
        }
    }

    @Test(arguments: TestDatabase.allCases) func everyRowOnce(_ kind: TestDatabase) async throws {
        let database = try kind.open("parallel")
        try fill(database, 0..<3_000)
        var stored: [OffsetMap: OffsetMap] = [:]
        var ids: [Int64] = []
        // Three tasks are broken off in the middle, then two others go on to the end, with rows that came later.
        var shares: [Int] = []
        for config in try await plan(database, stored, tasks: 3) {
            let task = SQLSourceTask()
            try await task.start(config, context: SourceContext(stored))
            let batches = try await poll(task, for: 500)
            store(batches, in: &stored)
            ids += batches.records.compactMap { $0["id"]?.integer }
            shares.append(batches.records.count)
            await task.stop()
        }
        #expect(shares.count == 3 && shares.allSatisfy { $0 >= 500 })
        try fill(database, 3_000..<3_100)
        var tasks: [SQLSourceTask] = []
        for config in try await plan(database, stored, tasks: 2) {
            let task = SQLSourceTask()
            try await task.start(config, context: SourceContext(stored))
            tasks.append(task)
        }
        let deadline = ContinuousClock.now + .seconds(20)
        while ids.count < 3_100, ContinuousClock.now < deadline {
            for task in tasks {
                let batches = try await task.poll()
                store(batches, in: &stored)
                ids += batches.records.compactMap { $0["id"]?.integer }
            }
        }
        for task in tasks {
            // The ends of ranges are stored too.
            store(try await poll(task, for: 1, limit: .milliseconds(200)), in: &stored)
            await task.stop()
        }
        #expect(ids.sorted() == (0..<3_100).map { Int64($0) })
        // All ranges are read: the table is its one task's again, whether or not the option is still set.
        let last = try await plan(database, stored, tasks: 2)
        #expect(last.count == 1 && last[0]["chunked.plans"] == nil)
        let table: OffsetMap = ["protocol": .string("1"), "table": .string(database.prefix + "users")]
        #expect(stored[table]?["incrementing"] == .int64(3_099))
    }

    /// A row that is not committed yet holds its range open, and is read once it is.
    @Test(arguments: [TestDatabase.mariaDB, .postgreSQL]) func lateCommits(_ kind: TestDatabase) async throws {
        let database = try kind.open("parallel_late")
        try fill(database, 1..<500)
        try database.sql("INSERT INTO users VALUES(1000,'last')")
        let writer = try SourceOptions(database.connection.merging(["topic.prefix": "t_", "mode": "bulk"]) { $1 })
            .database.connect()
        try writer.begin()
        try writer.execute("INSERT INTO users VALUES(700,'late')")
        let config = try #require(try await plan(database, [:], tasks: 1).first)
        let task = SQLSourceTask()
        try await task.start(config, context: SourceContext([:]))
        var ids = try await poll(task, for: 501, limit: .seconds(1)).records.compactMap { $0["id"]?.integer }
        #expect(!ids.contains(700))
        try writer.commit()
        writer.close()
        ids += try await poll(task, for: 501 - ids.count).records.compactMap { $0["id"]?.integer }
        await task.stop()
        #expect(ids.sorted() == Array(1..<500) + [700, 1_000])
    }

    /// Plans cover their range without gap or overlap, and are read back as they were.
    @Test func ranges() throws {
        for (least, greatest) in [(0, 10), (1, 1), (5, 1_000_000), (-7, 3), (0, Int64.max)] as [(Int64, Int64)] {
            let plan = try #require(ChunkPlan(least: least, greatest: greatest, tasks: 3))
            let chunks = plan.chunks
            #expect(chunks.first?.after == max(least, 0) - 1 && chunks.last?.through == min(greatest, .max - 1))
            for (chunk, next) in zip(chunks, chunks.dropFirst()) { #expect(chunk.through == next.after) }
            #expect(chunks.allSatisfy { $0.through > $0.after } && chunks.count <= 24)
            #expect(ChunkPlan(plan.text) == plan)
            var offset: OffsetMap = [:]
            plan.add(to: &offset)
            #expect(ChunkPlan(offset) == plan)
        }
        #expect(ChunkPlan("1/2") == nil && ChunkPlan("5/4/1") == nil && ChunkPlan("0/9/99999999") == nil)
        #expect(ChunkPlan(least: -5, greatest: -1, tasks: 1) == nil)
    }
}
