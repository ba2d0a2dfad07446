import ConnectAPI
import Foundation
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// The internal topics of a real Java worker, replayed into our broker: a Sluice worker goes on where it stopped.
@Suite(.enabled(if: !Golden.isAbsent, "needs ../shared/golden"), .timeLimit(.minutes(1)))
struct TakeOverTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Stands in for the JDBC source under its class name.
    private final class Source: SourceConnector {
        static let className = "io.confluent.connect.jdbc.JdbcSourceConnector"
        static let aliases: [String] = []
        static let version = "10.9.7"
        static let taskClassName = "io.confluent.connect.jdbc.source.JdbcSourceTask"
        static let configDefinition = ConfigDefinition()
        init() {}
        func start(_ config: [String: String], context: any ConnectorContext) async throws {}
        func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] { [["tables": "users"]] }
        func stop() async {}
        func makeTask() -> any SourceTask { SourceWork() }
    }

    /// Emits one record after the stored one.
    private final class SourceWork: SourceTask {
        static let starts = NIOLockedValueBox<[Int64]>([])
        private let partition: OffsetMap = ["protocol": .string("1"), "table": .string("mydb.users")]
        private var next: Int64?
        func start(_ config: [String: String], context: any SourceTaskContext) async throws {
            let stored = try await context.offsets(for: [partition])[partition]?["incrementing"]?.integer ?? -1
            Self.starts.withLockedValue { $0.append(stored) }
            next = stored + 1
        }
        func poll() async throws -> [SourceBatch] {
            guard let number = next else {
                try await Task.sleep(for: .milliseconds(20))
                return []
            }
            next = nil
            let record = SourceRecord(topic: "my_topic_users", valueSchema: .int64, value: .int64(number))
            return [
                SourceBatch(
                    records: [record], sourcePartition: partition, sourceOffset: ["incrementing": .int64(number)])
            ]
        }
        func stop() async {}
    }

    private final class Sink: SinkConnector {
        static let className = "io.confluent.connect.jdbc.JdbcSinkConnector"
        static let aliases: [String] = []
        static let version = "10.9.7"
        static let taskClassName = "io.confluent.connect.jdbc.sink.JdbcSinkTask"
        static let configDefinition = ConfigDefinition()
        init() {}
        func start(_ config: [String: String], context: any ConnectorContext) async throws {}
        func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] { [[:]] }
        func stop() async {}
        func makeTask() -> any SinkTask { SinkWork() }
    }

    private final class SinkWork: SinkTask {
        func start(_ config: [String: String], context: any SinkTaskContext) async throws {}
        func put(_ records: [SinkRecord]) async throws {}
        func stop() async {}
    }

    /// Writes what the Java worker had when `my-sink-connect` ran and others were stopped and paused.
    private func replay(into broker: TestBroker) async throws {
        let client = try ClientConfiguration(properties: ["bootstrap.servers": broker.bootstrapServers])
        let admin = try KafkaAdminClient(configuration: client, logger: logger)
        let compact = ["cleanup.policy": "compact"]
        let created = try await admin.createTopics([
            TopicToCreate(name: "connect-configs", partitions: 1, replicationFactor: 1, configs: compact),
            TopicToCreate(name: "connect-offsets", partitions: 25, replicationFactor: 1, configs: compact),
            TopicToCreate(name: "connect-status", partitions: 5, replicationFactor: 1, configs: compact),
        ])
        for result in created.values { try result.get() }
        await admin.close()
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: logger)
        func send(_ topic: String, _ records: some Sequence<Golden.Record>) async throws {
            for record in records {
                _ = try await producer.send(
                    ProducerRecord(
                        topic: topic, key: ByteBuffer(string: record.key),
                        value: record.value.map { ByteBuffer(string: $0) }))
            }
        }
        let configs = try Golden.topic("connect-configs-after-rest")
        let end = try #require(configs.firstIndex { $0.key == "connector-init-paused" })
        try await send("connect-configs", configs[...end])
        let key = #"["my-source-connect",{"protocol":"1","table":"mydb.users"}]"#
        try await send(
            "connect-offsets", try Golden.topic("connect-offsets-after-rest").filter { $0.key == key }.prefix(1))
        try await send("connect-status", try Golden.topic("connect-status-after-rest").prefix(6))
        await producer.close()
    }

    private func records(_ broker: TestBroker, _ topic: String, partition: Int32, count: Int) async throws -> [Record] {
        var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers])
        configuration.autoOffsetReset = .earliest
        let consumer = try KafkaConsumer(configuration: configuration, logger: logger)
        try await consumer.assign([TopicPartition(topic: topic, partition: partition)])
        var records: [Record] = []
        while records.count < count {
            for batch in try await consumer.poll(timeout: .seconds(1)) { records += batch.records }
        }
        await consumer.close()
        return records
    }

    @Test func connectorsTargetsAndOffsetsAreAsTheyWere() async throws {
        let broker = try await TestBroker.start()
        try await replay(into: broker)
        var configuration = WorkerConfiguration(embeddedWith: [broker.bootstrapServers], groupID: "connect-cluster")
        configuration.isEmbedded = false
        configuration.listeners = ["http://127.0.0.1:0"]
        let plugins = PluginRegistry()
        plugins.register(source: Source.self)
        plugins.register(sink: Sink.self)
        let worker = try DistributedWorker(configuration: configuration, plugins: plugins, logger: logger)
        try await worker.start()
        try await worker.waitUntilReady()
        let herder = worker.herder
        #expect(
            try await herder.connectors() == ["init-paused", "init-stopped", "my-sink-connect", "my-source-connect"])
        try await until { try await herder.connectorStatus("init-stopped").connector.state == .stopped }
        try await until { try await herder.connectorStatus("init-paused").connector.state == .paused }
        for name in ["my-source-connect", "my-sink-connect"] {
            try await until { try await herder.connectorStatus(name).tasks.map(\.state) == [.running] }
        }
        // The source goes on after the Java worker's last row.
        #expect(SourceWork.starts.withLockedValue { $0.first } == 2)
        try await until {
            guard
                case .integer(let number)? = try await herder.offsets(of: "my-source-connect").first?
                    .offset?["incrementing"]
            else { return false }
            return number >= 3
        }
        // What is written has Java's key, and goes to the partition that Java chose for it.
        let offsets = try await records(broker, "connect-offsets", partition: 1, count: 2)
        let key = #"["my-source-connect",{"protocol":"1","table":"mydb.users"}]"#
        #expect(offsets.allSatisfy { $0.key.map { String(buffer: $0) } == key })
        let values = offsets.prefix(2).map { $0.value.map { String(buffer: $0) } ?? "" }
        #expect(values == [#"{"incrementing":2}"#, #"{"incrementing":3}"#])
        await worker.shutdown()
        await broker.stop()
    }
}
