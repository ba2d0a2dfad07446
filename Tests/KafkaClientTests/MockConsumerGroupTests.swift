import KafkaClient
import KafkaProtocol
import NIOCore
import Testing

/// `group.protocol=consumer` against librdkafka's mock coordinator.
@Suite(.enabled(if: MockCluster.isAvailable), .timeLimit(.minutes(2)))
struct MockConsumerGroupTests {
    @Test func `members share the partitions and take over from one that leaves`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 4 1")
            func consumer() throws -> KafkaConsumer {
                var configuration = ConsumerConfiguration(bootstrapServers: mock.bootstrapServers, groupID: "g")
                configuration.autoOffsetReset = .earliest
                configuration.groupProtocol = .consumer
                configuration.heartbeatInterval = .milliseconds(200)
                return try KafkaConsumer(configuration: configuration, logger: testLogger)
            }
            let producer = try KafkaProducer(
                configuration: ProducerConfiguration(bootstrapServers: mock.bootstrapServers), logger: testLogger)
            let first = try consumer()
            try await first.subscribe(["orders"])
            try await first.waitForAssignment { $0.count == 4 }
            // ConsumerGroupHeartbeat: not coordinator, cut.
            try await mock.run("errors 68 16 -195")
            let second = try consumer()
            try await second.subscribe(["orders"])
            async let shrinking: Void = first.waitForAssignment { $0.count == 2 }
            try await second.waitForAssignment { $0.count == 2 }
            try await shrinking
            #expect(Set(first.assignment).isDisjoint(with: second.assignment))
            _ = try await producer.send(
                contentsOf: (0..<40).map {
                    ProducerRecord(topic: "orders", partition: Int32($0 % 4), value: buffer("\($0)"))
                })
            async let firstRows = first.take(20)
            let rows = try await second.take(20) + firstRows
            #expect(Set(rows.compactMap { text($0.1.value) }).count == 40)
            try await second.commit()
            await second.close()
            try await first.waitForAssignment { $0.count == 4 }
            await first.close()
            await producer.close()
        }
    }
}
