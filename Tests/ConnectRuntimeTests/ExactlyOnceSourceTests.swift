import ConnectAPI
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Exactly-once sources (KIP-618) on a real broker.
@Suite(.timeLimit(.minutes(2)), .serialized)
struct ExactlyOnceSourceTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func source(
        _ type: any Connector.Type, _ topic: String, _ more: ConnectorProperties = [:]
    ) -> ConnectorProperties {
        let config: ConnectorProperties = [
            "connector.class": type.className, "system": topic, "topic": topic, "tasks.max": "1",
            "value.converter": "org.apache.kafka.connect.converters.LongConverter",
        ]
        return config.merging(more) { $1 }
    }

    /// All committed records of a topic's partition 0, up to the end of the log.
    private func committed(_ broker: TestBroker, _ topic: String) async throws -> [(key: String, value: ByteBuffer)] {
        var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers])
        configuration.autoOffsetReset = .earliest
        configuration.isolationLevel = .readCommitted
        let consumer = try KafkaConsumer(configuration: configuration, logger: logger)
        let partition = TopicPartition(topic: topic, partition: 0)
        try await consumer.assign([partition])
        let end = try await consumer.endOffsets([partition])[partition] ?? 0
        var values: [(String, ByteBuffer)] = []
        while try await consumer.position(partition) < end {
            for batch in try await consumer.poll(timeout: .milliseconds(200)) {
                values += batch.records.map { (String(buffer: $0.key ?? ByteBuffer()), $0.value ?? ByteBuffer()) }
            }
        }
        await consumer.close()
        return values
    }

    private func numbers(_ broker: TestBroker, _ topic: String) async throws -> [Int64] {
        try await committed(broker, topic).compactMap { $0.value.getInteger(at: $0.value.readerIndex) }
    }

    private func offsets(_ broker: TestBroker, _ topic: String = "connect-offsets") async throws -> [String] {
        try await committed(broker, topic).map { String(buffer: $0.value) }
    }

    private func producer(_ broker: TestBroker, _ id: String) async throws -> KafkaProducer {
        var configuration = ProducerConfiguration(bootstrapServers: [broker.bootstrapServers])
        configuration.transactionalID = id
        let producer = try KafkaProducer(configuration: configuration, logger: logger)
        try await producer.initTransactions()
        return producer
    }

    @Test func aTransactionThatWasLeftOpenDoesNotCount() async throws {
        let broker = try await TestBroker.start()
        let system = FakeSystem.named("left")
        system.rows = 100
        let first = try await startWorker(broker, exactlyOnce: true)
        _ = try await first.herder.createConnector(
            name: "in", config: source(RowSource.self, "left"), initialState: nil)
        try await until { try await first.herder.offsets(of: "in").first?.offset == ["position": .integer(100)] }
        await first.shutdown()
        // What a worker that was killed may leave behind: records and an offset without a commit.
        let dead = try await producer(broker, "workers-in-0")
        try dead.beginTransaction()
        let offset = OffsetStore.Write(
            key: try OffsetRecords.key(connector: "in", partition: ["table": .string("rows")]),
            value: try OffsetRecords.value(["position": .int64(140)]))
        try await dead.enqueue(contentsOf: [
            ProducerRecord(topic: "left", value: ByteBuffer(integer: Int64(101))),
            ProducerRecord(topic: "connect-offsets", key: offset.key, value: offset.value),
        ]).wait()
        system.rows = 200
        let worker = try await startWorker(broker, exactlyOnce: true)
        try await until { try await worker.herder.offsets(of: "in").first?.offset == ["position": .integer(200)] }
        #expect(system.starts == [0, 100])
        #expect(try await numbers(broker, "left") == Array(1...200))
        await #expect(throws: KafkaError.self) { try await dead.commitTransaction() }
        #expect(try await offsets(broker).last == #"{"position":200}"#)
        await worker.shutdown()
        await dead.close(timeout: .zero)
        await broker.stop()
    }

    @Test func aTaskThatIsShutOutComesBackAndRepeatsNothing() async throws {
        let broker = try await TestBroker.start()
        let system = FakeSystem.named("out")
        system.rows = 10
        let worker = try await startWorker(broker, exactlyOnce: true)
        _ = try await worker.herder.createConnector(
            name: "in", config: source(RowSource.self, "out"), initialState: nil)
        try await until { try await numbers(broker, "out").count == 10 }
        let other = try await producer(broker, "workers-in-0")
        system.rows = 20
        try await until { try await numbers(broker, "out").count == 20 }
        #expect(try await numbers(broker, "out") == Array(1...20))
        #expect(system.starts == [0, 10])
        await other.close(timeout: .zero)
        await worker.shutdown()
        await broker.stop()
    }

    @Test func anIntervalEndsThoughNothingMoreComes() async throws {
        let broker = try await TestBroker.start()
        FakeSystem.named("interval").rows = 3
        let worker = try await startWorker(broker, exactlyOnce: true)
        let config = source(
            RowSource.self, "interval",
            ["transaction.boundary": "interval", "transaction.boundary.interval.ms": "100"])
        _ = try await worker.herder.createConnector(name: "in", config: config, initialState: nil)
        try await until { try await numbers(broker, "interval") == [1, 2, 3] }
        #expect(try await offsets(broker) == [#"{"position":3}"#])
        await worker.shutdown()
        await broker.stop()
    }

    @Test func aConnectorEndsItsTransactions() async throws {
        let broker = try await TestBroker.start()
        let worker = try await startWorker(broker, exactlyOnce: true)
        let config = source(TransactionSource.self, "own", ["transaction.boundary": "connector"])
        _ = try await worker.herder.createConnector(name: "in", config: config, initialState: nil)
        try await until { try await numbers(broker, "own") == [1, 2, 3, 5] }
        // The one that was given up counts as done, the one that was not ended does not.
        #expect(try await offsets(broker) == [#"{"number":3}"#, #"{"number":4}"#, #"{"number":5}"#])
        await worker.shutdown()
        #expect(try await numbers(broker, "own") == [1, 2, 3, 5])
        #expect(try await offsets(broker).last == #"{"number":5}"#)
        await broker.stop()
    }

    @Test(arguments: [true, false]) func offsetsMayHaveATopicOfTheirOwn(_ exactlyOnce: Bool) async throws {
        let broker = try await TestBroker.start()
        let system = FakeSystem.named("own.offsets.\(exactlyOnce)")
        system.rows = 5
        let first = try await startWorker(broker, exactlyOnce: exactlyOnce)
        let config = source(RowSource.self, "own.offsets.\(exactlyOnce)", ["offsets.storage.topic": "mine"])
        _ = try await first.herder.createConnector(name: "in", config: config, initialState: nil)
        // (Who asked for the topic first would make it, and not as one of offsets.)
        try await until { try await first.herder.offsets(of: "in").first?.offset == ["position": .integer(5)] }
        #expect(try await offsets(broker, "mine").last == #"{"position":5}"#)
        try await until { try await offsets(broker).last == #"{"position":5}"# }
        await first.shutdown()
        system.rows = 6
        let worker = try await startWorker(broker, exactlyOnce: exactlyOnce)
        try await until { try await worker.herder.offsets(of: "in").first?.offset == ["position": .integer(6)] }
        #expect(system.starts == [0, 5])
        try await worker.herder.stopConnector("in")
        _ = try await worker.herder.resetOffsets(of: "in")
        #expect(try await worker.herder.offsets(of: "in") == [])
        #expect(try await offsets(broker, "mine").last == "")
        #expect(try await offsets(broker).last == "")
        await worker.shutdown()
        await broker.stop()
    }

    private func configure(_ workers: [DistributedWorker], tasks: Int) async throws {
        let config = source(
            VerifiableSourceConnector.self, "fenced", ["tasks.max": "\(tasks)", "throughput": "20"])
        for worker in workers {
            do throws(HerderError) {
                _ = try await worker.herder.putConnectorConfig("c", config: config)
                return
            } catch {
                // The other one leads.
                guard error.forwardURL != nil else { throw error }
            }
        }
    }

    private func running(_ worker: DistributedWorker, _ count: Int) async throws {
        try await until {
            let tasks = try? await worker.herder.connectorStatus("c").tasks
            return tasks?.count == count && tasks?.allSatisfy { $0.state == .running } == true
        }
    }

    @Test func eachGenerationOfTasksIsFencedByTheLeader() async throws {
        let broker = try await TestBroker.start()
        let workers = [
            try await startWorker(broker, exactlyOnce: true), try await startWorker(broker, exactlyOnce: true),
        ]
        for worker in workers { try await worker.waitUntilReady() }
        try await configure(workers, tasks: 4)
        try await running(workers[0], 4)
        try await configure(workers, tasks: 1)
        try await running(workers[0], 1)
        try await until {
            try await committed(broker, "connect-configs").filter { $0.key == "tasks-fencing-c" }
                .map { String(buffer: $0.value) } == [#"{"task-count":4}"#, #"{"task-count":1}"#]
        }
        try await running(workers[0], 1)
        let statuses = try await committed(broker, "connect-status").filter { $0.key.hasPrefix("status-task-c") }
        #expect(!statuses.contains { String(buffer: $0.value).contains("FAILED") })
        for worker in workers { await worker.shutdown() }
        await broker.stop()
    }

    @Test func aFormerLeaderWritesNothingMore() async throws {
        let broker = try await TestBroker.start()
        let clients = try WorkerClients(
            WorkerConfiguration(embeddedWith: [broker.bootstrapServers]), logger: logger)
        let (old, new) = (
            LeaderProducer(groupID: "g", clients: clients), LeaderProducer(groupID: "g", clients: clients)
        )
        let isLeading = NIOLockedValueBox(true)
        old.setPermission { isLeading.withLockedValue { $0 } }
        try await old.claim()
        _ = try await old.append([LogEntry(key: "a", value: [1])], to: "configs")
        isLeading.withLockedValue { $0 = false }
        try await new.claim()
        await #expect(throws: HerderError.self) {
            try await old.append([LogEntry(key: "b", value: [1])], to: "configs")
        }
        _ = try await new.append([LogEntry(key: "c", value: [1])], to: "configs")
        #expect(try await committed(broker, "configs").map(\.key) == ["a", "c"])
        await old.close()
        await new.close()
        await clients.close()
        await broker.stop()
    }
}
