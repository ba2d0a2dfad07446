import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

/// `group.protocol=consumer` against our coordinator, which librdkafka and Java's client use as well.
@Suite(.timeLimit(.minutes(1)))
struct ConsumerGroupTests {
    @Test func `members share the partitions and take over from one that leaves`() async throws {
        let broker = try await TestBroker.start(properties: [
            "num.partitions": "4", "group.consumer.heartbeat.interval.ms": "200",
            "group.consumer.min.heartbeat.interval.ms": "100",
        ])
        do {
            func consumer() throws -> KafkaConsumer {
                var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers], groupID: "g")
                configuration.autoOffsetReset = .earliest
                configuration.groupProtocol = .consumer
                configuration.heartbeatInterval = .milliseconds(200)
                return try KafkaConsumer(configuration: configuration, logger: testLogger)
            }
            let producer = try KafkaProducer(
                configuration: ProducerConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: testLogger)
            // Makes the topic; read while the first member waits for its partitions.
            _ = try await producer.send(ProducerRecord(topic: "orders", partition: 0, value: buffer("0")))
            let first = try consumer()
            try await first.subscribe(["orders"])
            try await first.waitForAssignment { $0.count == 4 }
            let second = try consumer()
            try await second.subscribe(["orders"])
            async let shrinking: Void = first.waitForAssignment { $0.count == 2 }
            try await second.waitForAssignment { $0.count == 2 }
            try await shrinking
            #expect(Set(first.assignment).isDisjoint(with: second.assignment))
            _ = try await producer.send(
                contentsOf: (1...40).map {
                    ProducerRecord(topic: "orders", partition: Int32($0 % 4), value: buffer("\($0)"))
                })
            async let firstRows = first.take(20)
            async let secondRows = second.take(20)
            let rows = try await firstRows + secondRows
            #expect(Set(rows.compactMap { text($0.1.value) }) == Set((1...40).map { "\($0)" }))
            try await second.commit()
            await second.close()
            try await first.waitForAssignment { $0.count == 4 }
            await first.close()
            await producer.close()
        } catch {
            Issue.record(error)
        }
        await broker.stop()
    }
}
