import ConnectAPI
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// The worker's topics are Kafka Connect's byte for byte: what a real worker wrote is read and written again, and must
/// not have changed. (Skipped without the recordings in ../shared.)
@Suite(.enabled(if: !Golden.isAbsent, "needs ../shared/golden"))
struct StoreFormatTests {
    private func entry(_ record: Golden.Record) -> LogEntry {
        LogEntry(key: record.key, value: record.value.map { Array($0.utf8) })
    }

    @Test func configTopicIsWrittenAsConnectDoes() throws {
        let records = try Golden.topic("connect-configs-after-rest")
        #expect(records.count > 90)
        for record in records where record.key != "session-key" && !record.key.hasSuffix("-nullv") {
            let parsed = try #require(ConfigRecord(entry(record)), "\(record.key)")
            #expect(parsed.entry == entry(record), "\(record.key)")
        }
    }

    @Test func statusTopicIsWrittenAsConnectDoes() throws {
        let records = try Golden.topic("connect-status-after-rest")
        #expect(records.count > 100)
        for record in records {
            let parsed = try #require(StatusRecord(entry(record)), "\(record.key)")
            #expect(parsed.entry == entry(record), "\(record.key)")
        }
    }

    @Test func offsetTopicIsWrittenAsConnectDoes() throws {
        for record in try Golden.topic("connect-offsets-after-rest") {
            let parsed = try #require(OffsetRecords.parseKey(ByteBuffer(string: record.key)))
            let key = try OffsetRecords.key(connector: parsed.connector, partition: parsed.partition)
            #expect(String(buffer: key) == record.key)
            if let value = record.value {
                let offset = try #require(OffsetRecords.parseValue(ByteBuffer(string: value)))
                #expect(try String(buffer: OffsetRecords.value(offset)) == value)
            }
        }
    }

    @Test func replayingTheConfigTopicGivesWhatConnectHad() throws {
        var state = ConfigState()
        for record in try Golden.topic("connect-configs-after-rest") {
            if let parsed = ConfigRecord(entry(record)) { state.apply(parsed) }
            if record.key == "commit-my-sink-connect", record.value == #"{"tasks":1}"# {
                let plan = try #require(state.plan(of: "my-sink-connect"))
                #expect(plan.tasks.count == 1)
                #expect(plan.tasks[0]["task.class"] == "io.confluent.connect.jdbc.sink.JdbcSinkTask")
                #expect(plan.tasks[0]["topics"] == "my_topic_users")
            }
        }
        // Everything but "a b/c%d" (which REST could not delete) was deleted by the end of the recording.
        #expect(state.names == ["a b/c%d"])
        #expect(state.plan(of: "a b/c%d")?.target == .started)
    }

    @Test func replayingTheOffsetsTopicGivesWhatConnectHad() async throws {
        let log = RecordedLog(try Golden.topic("connect-offsets-after-rest").map(entry))
        let store = OffsetStore(log: log)
        try await store.start()
        let partition: OffsetMap = ["protocol": .string("1"), "table": .string("mydb.users")]
        let offsets = ConnectorOffsets(connector: "my-source-connect", worker: store, own: nil)
        #expect(try offsets.offset(partition) == ["incrementing": .int64(2)])
        // Looked up by bytes: another order of keys is another partition.
        let swapped: OffsetMap = ["table": .string("mydb.users"), "protocol": .string("1")]
        #expect(try offsets.offset(swapped) == nil)
        #expect(
            ConnectorOffsets(connector: "a b/c%d", worker: store, own: nil).all == [
                ConnectorOffset(
                    partition: ["protocol": .string("1"), "table": .string("mydb.users")],
                    offset: ["incrementing": .integer(2)])
            ])
    }
}

/// What the recordings do not show.
struct ConfigStateTests {
    private let config: ConnectorProperties = ["connector.class": "X", "name": "x"]

    @Test func tasksCountOnlyOnceCommitted() {
        var state = ConfigState()
        state.apply(.connector("x", config))
        state.apply(.task(TaskID(connector: "x", task: 0), ["a": "1"]))
        #expect(state.plan(of: "x")?.tasks == [])
        state.apply(.commit("x", taskCount: 1))
        #expect(state.plan(of: "x")?.tasks == [["a": "1"]])
    }

    @Test func aCommitWithoutItsTasksAsksForNewOnes() {
        var state = ConfigState()
        state.apply(.connector("x", config))
        state.apply(.task(TaskID(connector: "x", task: 1), ["a": "1"]))
        state.apply(.commit("x", taskCount: 2))
        #expect(state.plan(of: "x")?.tasks == [])
        #expect(state.connectors["x"]?.isInconsistent == true)
    }

    @Test func aSmallerCommitAfterCompactionKeepsItsTasks() {
        var state = ConfigState()
        state.apply(.connector("x", config))
        state.apply(.task(TaskID(connector: "x", task: 1), ["old": "1"]))
        state.apply(.task(TaskID(connector: "x", task: 0), ["a": "1"]))
        state.apply(.commit("x", taskCount: 1))
        #expect(state.plan(of: "x")?.tasks == [["a": "1"]])
    }

    @Test func aTargetStateMayComeBeforeItsConnector() {
        var state = ConfigState()
        state.apply(.target("x", .stopped))
        #expect(state.names == [])
        state.apply(.connector("x", config))
        #expect(state.plan(of: "x")?.target == .stopped)
    }

    @Test func namesMayHoldHyphensAndPrefixes() {
        let id = TaskID(connector: "task-a-b", task: 3)
        let entry = ConfigRecord.task(id, ["a": "1"]).entry
        #expect(String(buffer: entry.key) == "task-task-a-b-3")
        #expect(ConfigRecord(entry) == .task(id, ["a": "1"]))
    }

    @Test(arguments: ["connector-x|{", "task-x|{\"properties\":{}}", "commit-x|{\"tasks\":-1}", "unknown|{}"])
    func damagedRecordsAreSkipped(_ text: String) {
        let parts = text.split(separator: "|").map(String.init)
        #expect(ConfigRecord(LogEntry(key: parts[0], value: Array(parts[1].utf8))) == nil)
    }
}
