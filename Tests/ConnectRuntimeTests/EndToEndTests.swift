import ConnectAPI
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Workers, runners and stores on a real broker.
@Suite(.timeLimit(.minutes(2)), .serialized)
struct EndToEndTests {
    private func source(_ system: String, _ topic: String) -> ConnectorProperties {
        ["connector.class": RowSource.className, "system": system, "topic": topic, "tasks.max": "1"]
    }

    private func sink(_ system: String, _ topic: String, _ more: ConnectorProperties = [:]) -> ConnectorProperties {
        let config: ConnectorProperties = [
            "connector.class": RowSink.className, "system": system, "topics": topic, "tasks.max": "1",
        ]
        return config.merging(more) { $1 }
    }

    private func state(_ worker: DistributedWorker, _ name: String) async throws -> RunState? {
        try await worker.herder.connectorStatus(name).tasks.first?.state
    }

    /// All values of a topic's partition 0 as text.
    private func values(_ broker: TestBroker, _ topic: String, count: Int) async throws -> [String] {
        var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers])
        configuration.autoOffsetReset = .earliest
        let consumer = try KafkaConsumer(
            configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await consumer.assign([TopicPartition(topic: topic, partition: 0)])
        var values: [String] = []
        while values.count < count {
            for batch in try await consumer.poll(timeout: .seconds(1)) {
                values += batch.records.compactMap { $0.value.map { String(buffer: $0) } }
            }
        }
        await consumer.close()
        return values
    }

    /// A task that does not stop within `task.shutdown.graceful.timeout.ms` is left to itself: its successor goes on at
    /// once where it was, and what it still reads is not written.
    @Test(arguments: ["in", "out"]) func aTaskThatDoesNotStopIsGivenUp(_ hanging: String) async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("hang.from.\(hanging)"), FakeSystem.named("hang.to.\(hanging)"))
        from.rows = 100
        let worker = try await startWorker(broker, adjust: { $0.gracefulShutdownTimeout = .milliseconds(300) })
        let herder = worker.herder
        _ = try await herder.createConnector(
            name: "in", config: source("hang.from.\(hanging)", "t"), initialState: nil)
        _ = try await herder.createConnector(name: "out", config: sink("hang.to.\(hanging)", "t"), initialState: nil)
        try await until { to.written.count >= 100 }
        let system = hanging == "in" ? from : to
        system.hangNext()
        from.rows = 200
        try await until { system.isHanging }
        let began = ContinuousClock.now
        try await herder.stopConnector(hanging)
        try await until { worker.testing.herder.supervisor(of: hanging)?.hasTasks == false }
        #expect(ContinuousClock.now - began >= .milliseconds(300))
        try await herder.resumeConnector(hanging)
        try await until { to.written.count >= 200 }
        system.release()
        // Time enough for the one that hung to do harm.
        from.rows = 300
        try await until { to.written.count >= 300 }
        try await herder.stopConnector(hanging)
        try await herder.resumeConnector(hanging)
        from.rows = 301
        try await until { to.written.last == 301 }
        #expect(to.written == Array(1...301))
        await worker.shutdown()
        await broker.stop()
    }

    @Test func rowsFlowAndNothingIsRepeatedAfterARestart() async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("flow.from"), FakeSystem.named("flow.to"))
        from.rows = 250
        var worker = try await startWorker(broker)
        _ = try await worker.herder.createConnector(name: "in", config: source("flow.from", "t"), initialState: nil)
        _ = try await worker.herder.createConnector(name: "out", config: sink("flow.to", "t"), initialState: nil)
        try await until { to.written.count >= 250 }
        from.rows = 251
        try await until { to.written.count >= 251 }
        await worker.shutdown()
        from.rows = 260
        worker = try await startWorker(broker)
        try await until { to.written.count >= 260 }
        #expect(to.written == Array(1...260))
        #expect(from.starts == [0, 251])
        // Kafka Connect's own bytes.
        let offsets = try await values(broker, "connect-offsets", count: 1)
        #expect(offsets.last?.hasPrefix(#"{"position":"#) == true)
        #expect(try await worker.herder.activeTopics(of: "in") == ["t"])
        #expect(try await worker.herder.offsets(of: "in").first?.partition == ["table": .string("rows")])
        await worker.shutdown()
        await broker.stop()
    }

    @Test func pauseStoresOffsetsAndResumeGoesOn() async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("pause.from"), FakeSystem.named("pause.to"))
        from.rows = 10
        let worker = try await startWorker(broker)
        _ = try await worker.herder.createConnector(name: "in", config: source("pause.from", "t"), initialState: nil)
        _ = try await worker.herder.createConnector(name: "out", config: sink("pause.to", "t"), initialState: nil)
        try await until { to.written.count >= 10 }
        try await worker.herder.pauseConnector("in")
        try await worker.herder.pauseConnector("out")
        try await until { try await state(worker, "in") == .paused }
        try await until { try await state(worker, "out") == .paused }
        #expect(try await worker.herder.offsets(of: "in").first?.offset == ["position": .integer(10)])
        #expect(try await worker.herder.offsets(of: "out").first?.offset == ["kafka_offset": .integer(10)])
        from.rows = 20
        try await worker.herder.resumeConnector("out")
        try await worker.herder.resumeConnector("in")
        try await until { to.written.count >= 20 }
        #expect(to.written == Array(1...20))
        await worker.shutdown()
        await broker.stop()
    }

    @Test func aSinkWhoseSystemIsDownComesBackWithoutLossOrRepetition() async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("down.from"), FakeSystem.named("down.to"))
        to.isDown = true
        from.rows = 50
        let worker = try await startWorker(broker)
        _ = try await worker.herder.createConnector(name: "in", config: source("down.from", "t"), initialState: nil)
        _ = try await worker.herder.createConnector(name: "out", config: sink("down.to", "t"), initialState: nil)
        try await until { try await state(worker, "out") == .failed }
        let trace = try await worker.herder.connectorStatus("out").tasks.first?.trace
        #expect(trace?.contains("the system is down") == true)
        to.isDown = false
        try await until { try await state(worker, "out") == .running }
        try await until { to.written.count >= 50 }
        #expect(to.written == Array(1...50))
        await worker.shutdown()
        await broker.stop()
    }

    @Test func poisonFailsTheTaskAndDeadLettersTakeIt() async throws {
        let broker = try await TestBroker.start()
        let to = FakeSystem.named("poison.to")
        to.refuse(3)
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(bootstrapServers: [broker.bootstrapServers]),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let json: ConnectorProperties = [
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        ]
        let worker = try await startWorker(broker)
        for value in ["1", "{broken", "3", "4"] {
            _ = try await producer.send(ProducerRecord(topic: "t", value: ByteBuffer(string: value)))
        }
        _ = try await worker.herder.createConnector(
            name: "strict", config: sink("poison.strict", "t", json), initialState: nil)
        try await until { try await state(worker, "strict") == .failed }
        let trace = try await worker.herder.connectorStatus("strict").tasks.first?.trace
        #expect(trace?.contains("t-0 at offset 1") == true)
        let tolerant: ConnectorProperties = [
            "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
            "errors.deadletterqueue.context.headers.enable": "true",
        ]
        _ = try await worker.herder.createConnector(
            name: "soft", config: sink("poison.to", "t", json.merging(tolerant) { $1 }), initialState: nil)
        try await until { to.written.contains(4) }
        #expect(to.written == [1, 4])
        #expect(try await values(broker, "dead", count: 2) == ["{broken", "3"])
        await producer.close()
        await worker.shutdown()
        await broker.stop()
    }
}
