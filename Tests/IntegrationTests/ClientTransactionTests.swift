import Foundation
import KafkaClient
import KafkaProtocol
import Logging
import NIOCore
import Testing

/// Our own clients read, convert and write in transactions (KIP-890, `transaction.version` 2) while the broker is killed
/// again and again: every record is converted exactly once, in order.
/// `SLUICE_KILL_ROUNDS` sets the number of kills (default 5).
@Suite(.serialized, .timeLimit(.minutes(10)))
struct ClientTransactionTests {
    private static let count = 2_000
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func client(_ sluice: SluiceProcess) -> ClientConfiguration {
        var client = ClientConfiguration(bootstrapServers: [sluice.bootstrapServers])
        client.reconnectBackoffMax = .milliseconds(100)
        client.requestTimeout = .seconds(10)
        return client
    }

    /// Runs what blocks on a thread of its own.
    private func blocking(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// Converts until everything is converted. A failed transaction is aborted and its records are read again.
    private func convert(_ client: ClientConfiguration, _ progress: @escaping @Sendable (Int) -> Void) async throws {
        var producing = ProducerConfiguration(client: client)
        producing.transactionalID = "converter"
        var consuming = ConsumerConfiguration(client: client, groupID: "converter")
        consuming.autoOffsetReset = .earliest
        consuming.enableAutoCommit = false
        consuming.isolationLevel = .readCommitted
        consuming.maxPollRecords = 20
        let producer = try KafkaProducer(configuration: producing, logger: logger)
        let consumer = try KafkaConsumer(configuration: consuming, logger: logger)
        let partition = TopicPartition(topic: "in", partition: 0)
        try await consumer.assign([partition])
        var done = try await consumer.committed([partition])[partition]?.offset ?? 0
        while done < Self.count {
            let records = try await consumer.poll(timeout: .seconds(5)).flatMap(\.records)
            guard let last = records.last else { continue }
            do {
                try await producer.withTransaction { transaction in
                    for record in records {
                        try await transaction.enqueue(ProducerRecord(topic: "out", partition: 0, value: record.value))
                    }
                    try await transaction.sendOffsets(
                        [partition: OffsetAndMetadata(offset: last.offset + 1)],
                        group: ConsumerGroupMetadata(groupID: "converter"))
                }
                done = last.offset + 1
                progress(Int(done))
            } catch let error as KafkaError where error.isAbortable || error.isRetriable {
                // Aborted, or committed without our hearing of it: the committed offset knows.
                done = try await consumer.committed([partition])[partition]?.offset ?? 0
                try consumer.seek(partition, to: done)
            }
        }
        await producer.close()
        await consumer.close()
    }

    @Test func `every record is converted once although the broker is killed`() async throws {
        let rounds = ProcessInfo.processInfo.environment["SLUICE_KILL_ROUNDS"].flatMap { Int($0) } ?? 5
        let sluice = try SluiceProcess()
        let client = client(sluice)
        let admin = try KafkaAdminClient(configuration: client, logger: logger)
        for result in try await admin.createTopics(["in", "out"].map { TopicToCreate(name: $0, partitions: 1) }).values
        {
            try result.get()
        }
        await admin.close()
        let producer = try KafkaProducer(configuration: ProducerConfiguration(client: client), logger: logger)
        _ = try await producer.send(
            contentsOf: (0..<Self.count).map { ProducerRecord(topic: "in", value: ByteBuffer(string: "\($0)")) })
        await producer.close()

        let progress = AsyncStream<Int>.makeStream()
        let converting = Task {
            defer { progress.continuation.finish() }
            try await convert(client) { progress.continuation.yield($0) }
        }
        nonisolated(unsafe) let process = sluice
        var kills = 0
        var next = Int.random(in: 20...200)
        for await done in progress.stream where done >= next && kills < rounds {
            try await blocking {
                process.kill()
                try process.start()
            }
            kills += 1
            next = done + Int.random(in: 20...200)
        }
        try await converting.value
        #expect(kills == rounds)

        var reading = ConsumerConfiguration(client: client)
        reading.isolationLevel = .readCommitted
        reading.autoOffsetReset = .earliest
        let reader = try KafkaConsumer(configuration: reading, logger: logger)
        try await reader.assign([TopicPartition(topic: "out", partition: 0)])
        var values: [String] = []
        while values.count < Self.count {
            let batches = try await reader.poll(timeout: .seconds(5))
            guard !batches.isEmpty else { break }
            values += batches.flatMap(\.records).compactMap { $0.value.map { String(buffer: $0) } }
        }
        values += try await reader.poll(timeout: .milliseconds(200)).flatMap(\.records).map { _ in "too many" }
        #expect(values == (0..<Self.count).map { "\($0)" })
        await reader.close()
        sluice.stop()
    }
}
