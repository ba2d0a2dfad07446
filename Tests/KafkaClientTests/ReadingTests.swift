import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaClient

/// Ways to read: sequences, whole batches, patterns, times. Against our broker, in this process.
@Suite(.timeLimit(.minutes(1)))
struct ReadingTests {
    private func withTopic(
        _ body: (TestBroker, KafkaProducer, (String?, (inout ConsumerConfiguration) -> Void) throws -> KafkaConsumer)
            async throws -> Void
    ) async throws {
        let broker = try await TestBroker.start()
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: testLogger)
        do {
            try await body(broker, producer) { group, change in
                var configuration = ConsumerConfiguration(
                    bootstrapServers: [broker.bootstrapServers], groupID: group)
                configuration.autoOffsetReset = .earliest
                configuration.heartbeatInterval = .milliseconds(100)
                change(&configuration)
                return try KafkaConsumer(configuration: configuration, logger: testLogger)
            }
        } catch {
            Issue.record(error)
        }
        await producer.close()
        await broker.stop()
    }

    private func records(_ range: Range<Int>, topic: String = "t", age: Int64 = 0) -> [ProducerRecord] {
        let now = WallClock.now()
        return range.map { ProducerRecord(topic: topic, value: buffer("\($0)"), timestamp: now - age) }
    }

    @Test func `records as a sequence, until the consumer is closed`() async throws {
        try await withTopic { _, producer, consumer in
            _ = try await producer.send(contentsOf: records(0..<50))
            let consumer = try consumer(nil) { _ in }
            try await consumer.assign([TopicPartition(topic: "t", partition: 0)])
            var values: [String] = []
            for try await record in consumer.records {
                values.append(text(record.record.value) ?? "")
                if values.count == 50 { await consumer.close() }
            }
            #expect(values == (0..<50).map { "\($0)" })
        }
    }

    @Test func `batches come undecoded, and a position within one is respected`() async throws {
        try await withTopic { _, producer, consumer in
            _ = try await producer.send(contentsOf: records(0..<50))
            let consumer = try consumer(nil) { _ in }
            let partition = TopicPartition(topic: "t", partition: 0)
            try await consumer.assign([partition])
            _ = try await consumer.position(partition)
            try consumer.seek(partition, to: 20)
            var offsets: [Int64] = []
            while offsets.count < 30 {
                for batch in try await consumer.pollBatches(timeout: .seconds(5)) {
                    try batch.forEach { offsets.append($0.offset) }
                    #expect(try batch.records().map(\.offset).last == batch.nextOffset - 1)
                }
            }
            #expect(offsets == Array(20..<50))
            #expect(try await consumer.position(partition) == 50)
            await consumer.close()
        }
    }

    @Test func `receipts are awaited after the next sends`() async throws {
        try await withTopic { _, producer, _ in
            var receipts: [SendReceipt] = []
            for index in 0..<20 {
                receipts.append(try await producer.enqueue(contentsOf: records(index..<(index + 1))))
            }
            var offsets: [Int64] = []
            for receipt in receipts { offsets += try await receipt.metadata().map(\.offset) }
            #expect(offsets == Array(0..<20))
        }
    }

    @Test func `a duration decides where to begin, and a time where to go`() async throws {
        try await withTopic { _, producer, consumer in
            _ = try await producer.send(contentsOf: records(0..<3, age: 7_200_000))
            _ = try await producer.send(contentsOf: records(3..<5))
            let partition = TopicPartition(topic: "t", partition: 0)
            let hour = try consumer(nil) { $0.autoOffsetReset = .byDuration(.seconds(3600)) }
            try await hour.assign([partition])
            #expect(try await hour.position(partition) == 3)
            try hour.seek(toTimes: [partition: 0])
            #expect(try await hour.position(partition) == 0)
            // Behind the last record where none is that young.
            try hour.seek(toTimes: [partition: WallClock.now() + 3_600_000])
            #expect(try await hour.position(partition) == 5)
            await hour.close()
        }
    }

    @Test func `topics that match a pattern are read, also those that come later`() async throws {
        try await withTopic { _, producer, consumer in
            _ = try await producer.send(contentsOf: records(0..<1, topic: "orders.a"))
            _ = try await producer.send(contentsOf: records(0..<1, topic: "other"))
            let consumer = try consumer("g") { $0.client.metadataMaxAge = .milliseconds(200) }
            try await consumer.subscribe(matching: TopicPattern("orders\\..*"))
            #expect(try await consumer.take(1).map(\.0.topic) == ["orders.a"])
            _ = try await producer.send(contentsOf: records(0..<1, topic: "orders.b"))
            #expect(try await consumer.take(1).map(\.0.topic) == ["orders.b"])
            await consumer.close()
        }
        #expect(throws: KafkaError.self) { try TopicPattern("orders(") }
    }

    /// Values by java.time.Duration.parse.
    @Test func `durations are read as Java reads them`() {
        #expect(Duration(iso8601: "PT1H30M") == .seconds(5400))
        #expect(Duration(iso8601: "P7D") == .seconds(604_800))
        #expect(Duration(iso8601: "PT0.5S") == .milliseconds(500))
        #expect(Duration(iso8601: "P1DT12H") == .seconds(129_600))
        for wrong in ["", "P", "PT", "1H", "P1H", "PT1D", "PT1", "PT1M1H", "PT-1S", "PT1.5H", "P1DT"] {
            #expect(Duration(iso8601: wrong) == nil, "\(wrong)")
        }
        #expect(ConsumerConfiguration.OffsetReset(text: "by_duration:PT1H") == .byDuration(.seconds(3600)))
    }
}
