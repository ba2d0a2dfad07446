import ConnectAPI
import Foundation
import OrderedCollections
import Synchronization
import Testing

@testable import ConnectSQL

/// `delivery.guarantee=exactly_once`: offsets in the target database, written with the rows.
@Suite(.serialized) struct ExactlyOnceSinkTests {
    private static let schema = Schema.structure(name: "t", fields: [Field("n", .int64), Field("name", .string)])
    private static let exactlyOnce = ["delivery.guarantee": "exactly_once"]

    private func records(_ offsets: Range<Int>, partition: Int32 = 0, name: String = "x") throws -> [SinkRecord] {
        try offsets.map { offset in
            SinkRecord(
                topic: "t", partition: partition, offset: Int64(offset), valueSchema: Self.schema,
                value: .structure(
                    try Struct(
                        schema: Self.schema,
                        values: [.int64(Int64(partition) * 1_000 + Int64(offset)), .string(name)])))
        }
    }

    private func numbers(_ database: OpenDatabase) throws -> [String?] {
        try database.sql("SELECT n FROM t ORDER BY n").map { $0[0] }
    }

    /// What is given again, by this task or the next one, is not written again; there is no key that would hide it.
    @Test(arguments: TestDatabase.allCases) func recordsGivenAgain(_ kind: TestDatabase) async throws {
        let database = try kind.open("once_again")
        let first = try await database.sink(Self.exactlyOnce)
        try await first.put(records(0..<10) + records(0..<3, partition: 1))
        try await first.put(records(0..<10))
        try await first.put(records(5..<15))
        await first.stop()
        try await database.put(records(0..<20) + records(2..<4, partition: 1), Self.exactlyOnce)
        #expect(try numbers(database) == ((0..<20).map { "\($0)" } + (1_000..<1_004).map { "\($0)" }))
        #expect(
            try database.sql(
                "SELECT connector, topic, kafka_partition, next_offset FROM sluice_offsets ORDER BY kafka_partition")
                == [["test", "t", "0", "20"], ["test", "t", "1", "4"]])
    }

    /// A batch that fails leaves neither rows nor offsets; only its bad record is missing when it is given to a sink
    /// with dead letters.
    @Test(arguments: TestDatabase.allCases) func failingBatches(_ kind: TestDatabase) async throws {
        let database = try kind.open("once_bad")
        try database.sql("CREATE TABLE t(n BIGINT, name VARCHAR(5) CHECK (name <> 'bad'))")
        let batch = try records(0..<50) + records(50..<51, name: "bad") + records(51..<80)
        await #expect(throws: ConnectError.self) { try await database.put(batch, Self.exactlyOnce) }
        #expect(try numbers(database).isEmpty)
        #expect(try database.sql("SELECT next_offset FROM sluice_offsets") == [["-1"]])
        let reporter = Reporter()
        try await database.put(batch, Self.exactlyOnce, reporter: reporter)
        #expect(reporter.reported.withLock { $0.map(\.offset) } == [50])
        #expect(try numbers(database) == (0..<80).filter { $0 != 50 }.map { "\($0)" })
    }

    /// DDL in the middle of a put ends the transaction: rows and offsets before it are committed together.
    @Test(arguments: TestDatabase.allCases) func tablesThatChangeInTheMiddle(_ kind: TestDatabase) async throws {
        let database = try kind.open("once_ddl")
        let wider = Schema.structure(name: "t", fields: Self.schema.fields + [Field("extra", .optionalInt32)])
        let evolved = SinkRecord(
            topic: "t", partition: 0, offset: 5, valueSchema: wider,
            value: .structure(try Struct(schema: wider, values: [.int64(5), .string("y"), .int32(1)])))
        let task = try await database.sink(Self.exactlyOnce)
        try await task.put(records(0..<5) + [evolved] + records(6..<9))
        try await task.put(records(0..<9))
        await task.stop()
        #expect(try numbers(database) == (0..<9).map { "\($0)" })
        #expect(try database.sql("SELECT next_offset FROM sluice_offsets") == [["9"]])
    }

    /// A task that still holds a batch after its partition has gone to another one does not repeat what that one wrote.
    @Test(arguments: TestDatabase.allCases) func twoTasksWithOnePartition(_ kind: TestDatabase) async throws {
        let database = try kind.open("once_two")
        let (old, new) = (try await database.sink(Self.exactlyOnce), try await database.sink(Self.exactlyOnce))
        try await old.put(records(0..<10))
        try await new.put(records(10..<20))
        try await old.put(records(10..<25))
        try await new.put(records(20..<30))
        await old.stop()
        await new.stop()
        #expect(try numbers(database) == (0..<30).map { "\($0)" })
    }

    /// Where the database ends, the task goes on, whatever the group has committed.
    @Test(arguments: TestDatabase.allCases) func seeks(_ kind: TestDatabase) async throws {
        final class SeekingContext: SinkTaskContext {
            let connectorName = "test"
            let taskID = 0
            let logger = SinkContext().logger
            let errantRecordReporter: (any ErrantRecordReporter)? = nil
            let seeks = Mutex<[TopicPartitionName: Int64]>([:])
            func requestRetry(after delay: Duration) {}
            func seek(to offsets: [TopicPartitionName: Int64]) { seeks.withLock { $0 = offsets } }
        }
        let database = try kind.open("once_seek")
        try await database.put(records(0..<7), Self.exactlyOnce)
        let context = SeekingContext()
        let task = SQLSinkTask()
        try await task.start(
            database.connection.merging(Self.exactlyOnce) { $1 }.merging(["topics": "t"]) { $1 }, context: context)
        try await task.open([
            TopicPartitionName(topic: "t", partition: 0), TopicPartitionName(topic: "t", partition: 9),
        ])
        await task.stop()
        #expect(context.seeks.withLock { $0 } == [TopicPartitionName(topic: "t", partition: 0): 7])
    }
}
