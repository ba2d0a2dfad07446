import KafkaBroker
import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

/// Connections that break in the middle of a frame, again and again.
@Suite(.timeLimit(.minutes(2)))
struct CutConnectionTests {
    @Test func `no record is lost, doubled or reordered`() async throws {
        let proxy = try await CuttingProxy.start()
        let port = proxy.port
        let broker = try await TestBroker.start { $0.advertisedPort = port }
        proxy.set(target: broker.port, cutAfter: 1_000...6_000)
        var settings = ClientConfiguration(bootstrapServers: ["127.0.0.1:\(port)"])
        settings.retryBackoff = .milliseconds(5)
        settings.reconnectBackoff = .milliseconds(1)
        settings.reconnectBackoffMax = .milliseconds(5)
        let client = settings
        var configuration = ProducerConfiguration(client: client)
        configuration.batchSize = 400
        let producer = try KafkaProducer(configuration: configuration, logger: testLogger)
        let records = (0..<1500).map {
            ProducerRecord(topic: "orders", partition: 0, value: buffer("\($0) " + String(repeating: "x", count: 20)))
        }
        let places = try await producer.send(contentsOf: records)
        #expect(proxy.cuts > 5)
        // A batch that was repeated may come back without its offset; the others must be in order.
        let known = places.map(\.offset).filter { $0 >= 0 }
        #expect(known == known.sorted())
        await producer.close()

        let before = proxy.cuts
        var reading = ConsumerConfiguration(client: client, groupID: "g")
        reading.autoOffsetReset = .earliest
        reading.heartbeatInterval = .milliseconds(20)
        reading.maxPartitionFetchBytes = 2_000
        proxy.set(target: broker.port, cutAfter: 3_000...9_000)
        let consumer = try KafkaConsumer(configuration: reading, logger: testLogger)
        try await consumer.subscribe(["orders"])
        let rows = try await consumer.take(1500, within: .seconds(60))
        #expect(rows.map { text($0.1.value) } == records.map { text($0.value) })
        #expect(rows.map(\.1.offset) == (0..<1500).map(Int64.init))
        #expect(proxy.cuts > before)
        try await consumer.commit()
        await consumer.close()
        try await proxy.stop()
        await broker.stop()
    }

    @Test func `calls on a broker that takes connections and says nothing end in time`() async throws {
        // Listens, but never answers.
        let proxy = try await CuttingProxy.start()
        let silent = try await TestBroker.start()
        proxy.set(target: silent.port, cutAfter: 0...0)
        var client = ClientConfiguration(bootstrapServers: ["127.0.0.1:\(proxy.port)"])
        client.apiTimeout = .milliseconds(300)
        client.connectTimeout = .milliseconds(200)
        let admin = try KafkaAdminClient(configuration: client, logger: testLogger)
        let start = ContinuousClock.now
        await #expect(throws: KafkaError.self) { _ = try await admin.listTopics() }
        #expect(start.duration(to: .now) < .seconds(20))
        await admin.close()
        try await proxy.stop()
        await silent.stop()
    }
}
