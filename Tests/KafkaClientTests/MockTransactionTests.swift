import Foundation
import KafkaClient
import KafkaProtocol
import NIOCore
import Testing

/// Transactions against librdkafka's mock cluster, which speaks the protocol from before KIP-890. It writes no markers:
/// what readers see is tested against brokers that do.
@Suite(.enabled(if: MockCluster.isAvailable), .timeLimit(.minutes(2)))
struct MockTransactionTests {
    private func producer(
        _ mock: MockCluster, id: String = "tx", _ change: (inout ProducerConfiguration) -> Void = { _ in }
    ) throws -> KafkaProducer {
        var configuration = ProducerConfiguration(bootstrapServers: mock.bootstrapServers)
        configuration.transactionalID = id
        configuration.client.retryBackoff = .milliseconds(20)
        configuration.maxBlock = .seconds(20)
        change(&configuration)
        return try KafkaProducer(configuration: configuration, logger: testLogger)
    }

    private func record(_ value: String, partition: Int32 = 0) -> ProducerRecord {
        ProducerRecord(topic: "orders", partition: partition, value: buffer(value))
    }

    @Test func `transactions follow each other, with offsets, and confluent-kafka reads them`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 2 1")
            let producer = try producer(mock)
            for round in 0..<3 {
                try await producer.withTransaction { transaction in
                    for index in 0..<10 {
                        try await transaction.enqueue(record("\(round)-\(index)", partition: Int32(index % 2)))
                    }
                    try await transaction.sendOffsets(
                        [TopicPartition(topic: "orders", partition: 0): OffsetAndMetadata(offset: Int64(round))],
                        group: ConsumerGroupMetadata(groupID: "g"))
                }
            }
            let rows = try await mock.consume("orders", count: 30)
            #expect(Set(rows.compactMap(\.value)).count == 30)
            await producer.close()
        }
    }

    @Test func `coordinator errors and a moving coordinator are outlived`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            // FindCoordinator: not available. InitProducerId: loading, not coordinator, cut. AddPartitionsToTxn:
            // concurrent transactions, not coordinator, cut. AddOffsetsToTxn: loading. TxnOffsetCommit: loading.
            // EndTxn: not available, concurrent transactions, cut.
            try await mock.run("errors 10 15")
            try await mock.run("errors 22 14 16 -195")
            try await mock.run("errors 24 51 16 -195")
            try await mock.run("errors 25 14")
            try await mock.run("errors 28 14")
            try await mock.run("errors 26 15 51 -195")
            let producer = try producer(mock)
            try await producer.withTransaction { transaction in
                try await transaction.send(record("first"))
                try await transaction.sendOffsets(
                    [TopicPartition(topic: "orders", partition: 0): OffsetAndMetadata(offset: 1)],
                    group: ConsumerGroupMetadata(groupID: "g"))
            }
            try await mock.run("transaction-coordinator tx 3")
            try await producer.withTransaction { try await $0.send(record("second")) }
            let rows = try await mock.consume("orders", count: 2)
            #expect(rows.map(\.value) == ["first", "second"])
            await producer.close()
        }
    }

    @Test(arguments: [(24, 90), (26, 90), (22, 53)])
    func `fencing and refusal are fatal`(_ api: Int, _ code: Int) async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            try await mock.run("errors \(api) \(code)")
            let producer = try producer(mock)
            let error = await #expect(throws: KafkaError.self) {
                try await producer.withTransaction { try await $0.send(record("lost")) }
            }
            #expect(error?.isFatal == true)
            if code == 90 { #expect(error?.code == .fenced) }
            #expect(throws: KafkaError.self) { try producer.beginTransaction() }
            await producer.close()
        }
    }

    @Test func `a failed record makes the transaction abortable, and the next one works`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            let producer = try producer(mock)
            try await producer.initTransactions()
            try producer.beginTransaction()
            // Produce: the topic's authorisation fails.
            try await mock.run("errors 0 29")
            let receipt = try await producer.enqueue(record("refused"))
            let failure = await #expect(throws: KafkaError.self) { try await producer.commitTransaction() }
            #expect(failure?.isAbortable == true)
            #expect(failure?.errorCode == .topicAuthorizationFailed)
            await #expect(throws: KafkaError.self) { try await receipt.metadata() }
            await #expect(throws: KafkaError.self) { try await producer.enqueue(record("too late")) }
            try await producer.abortTransaction()
            try await producer.withTransaction { try await $0.send(record("after")) }
            let rows = try await mock.consume("orders", count: 1)
            #expect(rows.map(\.value) == ["after"])
            await producer.close()
        }
    }

    @Test func `what the closure throws aborts, also when it was cancelled`() async throws {
        struct Refusal: Error {}
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            let producer = try producer(mock)
            await #expect(throws: Refusal.self) {
                try await producer.withTransaction { transaction in
                    try await transaction.send(record("dropped"))
                    throw Refusal()
                }
            }
            let task = Task {
                try await producer.withTransaction { transaction in
                    try await transaction.send(record("cancelled"))
                    while true { try await Task.sleep(for: .seconds(10)) }
                }
            }
            while try await mock.consume("orders", count: 2).count < 2 {}
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await producer.withTransaction { try await $0.send(record("after")) }
            await producer.close()
        }
    }

    @Test func `sending outside a transaction is refused`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            let producer = try producer(mock)
            await #expect(throws: KafkaError.self) { try await producer.send(record("early")) }
            #expect(throws: KafkaError.self) { try producer.beginTransaction() }
            try await producer.initTransactions()
            await #expect(throws: KafkaError.self) { try await producer.send(record("early")) }
            await #expect(throws: KafkaError.self) { try await producer.commitTransaction() }
            await producer.close()
        }
    }
}
