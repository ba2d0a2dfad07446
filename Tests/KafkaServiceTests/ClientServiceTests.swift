import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOCore
import ServiceLifecycle
import Testing

@testable import KafkaService

/// Producer and consumer themselves as parts of a service group.
@Suite(.timeLimit(.minutes(1))) struct ClientServiceTests {
    /// A service that does something until it is over.
    private struct Work: Service {
        var body: @Sendable () async throws -> Void

        func run() async throws { try await body() }
    }

    @Test func `a shutdown sends what lingers, lets the reader finish, commits and leaves the group`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<3).map { Order(id: $0, product: "p") }, to: topic)
            var producing = ProducerConfiguration(client: fixture.application.client)
            producing.linger = .seconds(30)
            let producer = try KafkaProducer(configuration: producing, logger: testLogger)
            var consuming = ConsumerConfiguration(client: fixture.application.client, groupID: "g")
            consuming.autoOffsetReset = .earliest
            let consumer = try KafkaConsumer(configuration: consuming, logger: testLogger)
            try await consumer.subscribe(["orders"])
            let log = Log<String>()
            let reader = Work {
                try await consumer.readUntilShutdown {
                    for try await record in consumer.records {
                        log.append("begin \(record.record.offset)")
                        try await Task.sleep(for: .milliseconds(200))
                        log.append("end \(record.record.offset)")
                    }
                }
                log.append("over")
            }
            let group = ServiceGroup(services: [producer, consumer, reader], logger: testLogger)
            let running = Task { try await group.run() }
            try await eventually("a record") { log.count > 0 }
            try await producer.enqueue(ProducerRecord(topic: "orders", value: ByteBuffer(string: "lingers")))
            await group.triggerGracefulShutdown()
            try await running.value
            // Three records came in one batch: all of them are worked on, and none after.
            #expect(log.all == (0..<3).flatMap { ["begin \($0)", "end \($0)"] } + ["over"])
            #expect(try await fixture.committed("g", "orders") == 3)
            #expect(try await fixture.records("orders", 4).last?.text == "lingers")
            let admin = try KafkaAdminClient(configuration: fixture.application.client, logger: testLogger)
            let found = try #require(try await admin.describeConsumerGroups(["g"])["g"]).get()
            #expect(found.state == "Empty")
            await admin.close()
        }
    }

    @Test func `a cancelled group closes them too`() async throws {
        try await Fixture.with { fixture in
            let producer = try KafkaProducer(
                configuration: ProducerConfiguration(client: fixture.application.client), logger: testLogger)
            let consumer = try KafkaConsumer(
                configuration: ConsumerConfiguration(client: fixture.application.client, groupID: "g"),
                logger: testLogger)
            let group = ServiceGroup(services: [producer, consumer], logger: testLogger)
            let running = Task { try await group.run() }
            try await Task.sleep(for: .milliseconds(50))
            running.cancel()
            _ = await running.result
            let error = await #expect(throws: KafkaError.self) {
                try await producer.send(ProducerRecord(topic: "orders", value: nil))
            }
            #expect(error?.code == .closed)
        }
    }
}
