import ConnectAPI
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Chains of transformations in source and sink tasks on a real broker.
@Suite(.timeLimit(.minutes(2)), .serialized)
struct TransformationEndToEndTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func records(_ broker: TestBroker, _ topic: String, count: Int) async throws -> [Record] {
        var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers])
        configuration.autoOffsetReset = .earliest
        let consumer = try KafkaConsumer(configuration: configuration, logger: logger)
        try await consumer.assign([TopicPartition(topic: topic, partition: 0)])
        var records: [Record] = []
        while records.count < count {
            for batch in try await consumer.poll(timeout: .seconds(1)) { records += batch.records }
        }
        await consumer.close()
        return records
    }

    private func send(_ broker: TestBroker, _ topic: String, _ values: [String]) async throws {
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: logger)
        for value in values {
            _ = try await producer.send(ProducerRecord(topic: topic, value: ByteBuffer(string: value)))
        }
        await producer.close()
    }

    @Test func chainsRunInSourceAndSink() async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("smt.from"), FakeSystem.named("smt.to"))
        from.rows = 20
        let worker = try await startWorker(broker)
        let source: ConnectorProperties = [
            "connector.class": RowSource.className, "system": "smt.from", "topic": "t", "transforms": "hoist,tag,route",
            "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
            "transforms.hoist.field": "n",
            "transforms.tag.type": "org.apache.kafka.connect.transforms.InsertHeader", "transforms.tag.header": "h",
            "transforms.tag.value.literal": "1",
            "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.route.regex": "(t)", "transforms.route.replacement": "routed-$1",
        ]
        _ = try await worker.herder.createConnector(name: "in", config: source, initialState: nil)
        let written = try await records(broker, "routed-t", count: 20)
        #expect(
            written.first?.value.map { String(buffer: $0) }
                == #"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"n"}],"optional":false},"#
                + #""payload":{"n":1}}"#)
        #expect(written.first?.headers == [RecordHeader(key: "h", value: ByteBuffer(string: "1"))])
        // Has no header: the sink's filter drops it.
        try await send(broker, "routed-t", [#"{"schema":{"type":"int64"},"payload":77}"#])
        let sink: ConnectorProperties = [
            "connector.class": RowSink.className, "system": "smt.to", "topics": "routed-t", "transforms": "drop,x",
            "transforms.drop.type": "org.apache.kafka.connect.transforms.Filter", "transforms.drop.predicate": "tagged",
            "transforms.drop.negate": "true", "predicates": "tagged",
            "predicates.tagged.type": "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
            "predicates.tagged.name": "h",
            "transforms.x.type": "org.apache.kafka.connect.transforms.ExtractField$Value",
            "transforms.x.field": "n",
        ]
        _ = try await worker.herder.createConnector(name: "out", config: sink, initialState: nil)
        try await until { to.written.count >= 20 }
        // The dropped record counts as read.
        try await until {
            try await worker.herder.offsets(of: "out").first?.offset == ["kafka_offset": .integer(21)]
        }
        #expect(to.written == Array(1...20))
        await worker.shutdown()
        await broker.stop()
    }

    /// golden/sink/dlq-smt-fail.json.
    @Test func whatCannotBeTransformedIsADeadLetter() async throws {
        let broker = try await TestBroker.start()
        let to = FakeSystem.named("smt.dead")
        to.refuse(3)
        let worker = try await startWorker(broker)
        let good = #"{"schema":{"type":"string"},"payload":"7"}"#
        let bad = #"{"schema":{"type":"string"},"payload":"n"}"#
        let refused = #"{"schema":{"type":"string"},"payload":"3"}"#
        try await send(broker, "s", [good, bad, refused])
        let strict: ConnectorProperties = [
            "connector.class": RowSink.className, "system": "smt.dead", "topics": "s", "transforms": "r,c",
            "transforms.r.type": "org.apache.kafka.connect.transforms.RegexRouter", "transforms.r.regex": "s",
            "transforms.r.replacement": "elsewhere",
            "transforms.c.type": "org.apache.kafka.connect.transforms.Cast$Value",
            "transforms.c.spec": "int32",
        ]
        _ = try await worker.herder.createConnector(name: "strict", config: strict, initialState: nil)
        try await until { try await worker.herder.connectorStatus("strict").tasks.first?.state == .failed }
        let trace = try await worker.herder.connectorStatus("strict").tasks.first?.trace
        #expect(trace?.contains("Cast$Value: the record in s-0 at offset 1 cannot be transformed") == true)
        try await worker.herder.deleteConnector("strict")
        let soft = strict.merging([
            "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
            "errors.deadletterqueue.context.headers.enable": "true",
        ]) { $1 }
        _ = try await worker.herder.createConnector(name: "soft", config: soft, initialState: nil)
        let dead = try await records(broker, "dead", count: 2)
        #expect(dead.map { $0.value.map { String(buffer: $0) } } == [bad, refused])
        func header(_ record: Record, _ name: String) -> String? {
            record.headers.first { $0.key == "__connect.errors." + name }?.value.map { String(buffer: $0) }
        }
        #expect(header(dead[0], "stage") == "TRANSFORMATION")
        #expect(header(dead[0], "class.name") == "org.apache.kafka.connect.transforms.Cast$Value")
        #expect(header(dead[0], "exception.class.name") == "org.apache.kafka.connect.errors.DataException")
        #expect(header(dead[0], "exception.message") == "Value (n) was out of range for requested data type")
        #expect(header(dead[0], "offset") == "1")
        // A sink's own refusal finds the original bytes although a transformation renamed the topic.
        #expect(header(dead[1], "stage") == "TASK_PUT")
        #expect(header(dead[1], "topic") == "s")
        #expect(to.written.contains(7))
        await worker.shutdown()
        await broker.stop()
    }

    @Test func aSourceSkipsWhatItToleratesAndFailsOtherwise() async throws {
        let broker = try await TestBroker.start()
        let from = FakeSystem.named("smt.bad")
        from.rows = 2
        let worker = try await startWorker(broker)
        var config: ConnectorProperties = [
            "connector.class": RowSource.className, "system": "smt.bad", "topic": "t", "transforms": "x",
            "transforms.x.type": "org.apache.kafka.connect.transforms.ExtractField$Value", "transforms.x.field": "no",
        ]
        _ = try await worker.herder.createConnector(name: "in", config: config, initialState: nil)
        try await until { try await worker.herder.connectorStatus("in").tasks.first?.state == .failed }
        config["errors.tolerance"] = "all"
        _ = try await worker.herder.createConnector(name: "soft", config: config, initialState: nil)
        try await until { try await worker.herder.offsets(of: "soft").first?.offset == ["position": .integer(2)] }
        await worker.shutdown()
        await broker.stop()
    }

    @Test func mistakesInTheConfigurationAreRefused() async throws {
        let broker = try await TestBroker.start()
        let worker = try await startWorker(broker)
        let sink: ConnectorProperties = ["connector.class": RowSink.className, "topics": "t", "transforms": "a"]
        let filter = ["transforms.a.type": "Filter"]
        for (more, expected) in [
            (["transforms.a.type": "InsertField$Value"], "No field insertion configured"),
            (filter.merging(["transforms.a.predicate": "p"]) { $1 }, "predicates names no such predicate"),
            (filter.merging(["transforms.a.negate": "true"]) { $1 }, "defining a predicate to be negated"),
            (filter.merging(["transforms": "a,a"]) { $1 }, "Duplicate alias provided"),
            (
                ["transforms.a.type": "RegexRouter", "transforms.a.regex": "(", "transforms.a.replacement": "x"],
                "Invalid regex"
            ),
            (["transforms.a.type": "TimestampRouter", "transforms.a.timestamp.format": "ww"], "letter w"),
        ] {
            let config = sink.merging(more.map { ($0.key, $0.value) }) { $1 }
            let error = await #expect(throws: HerderError.self) {
                try await worker.herder.createConnector(name: "c", config: config, initialState: nil)
            }
            #expect(error?.status == 400)
            #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        }
        await worker.shutdown()
        await broker.stop()
    }
}
