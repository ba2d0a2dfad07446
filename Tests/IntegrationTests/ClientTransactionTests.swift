import Foundation
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import Testing

/// Our own clients read, convert and write in transactions (KIP-890, `transaction.version` 2) while the broker is killed
/// again and again: every record is converted exactly once, in order.
/// `SLUICE_KILL_ROUNDS` sets the number of kills (default 5).
@Suite(.serialized, .timeLimit(.minutes(10)))
struct ClientTransactionTests {
    private static let rounds = ProcessInfo.processInfo.environment["SLUICE_KILL_ROUNDS"].flatMap { Int($0) } ?? 5
    private static let count = rounds * 400
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func client(_ sluice: SluiceProcess) -> ClientConfiguration {
        var client = ClientConfiguration(bootstrapServers: [sluice.bootstrapServers])
        client.reconnectBackoffMax = .milliseconds(100)
        client.requestTimeout = .seconds(10)
        return client
    }

    /// Kills the broker every 20 to 200 records, up to ``rounds`` times, while the next ones are converted.
    private actor Killer {
        private nonisolated(unsafe) let process: SluiceProcess
        private(set) var kills = 0
        private var next = Int.random(in: 20...200)
        private var running: Task<Void, any Error>?

        init(_ process: SluiceProcess) { self.process = process }

        func passed(_ done: Int) async throws {
            guard done >= next, kills < rounds else { return }
            try await finish()
            kills += 1
            next = done + Int.random(in: 20...200)
            nonisolated(unsafe) let process = process
            running = Task {
                try await onOwnThread {
                    usleep(.random(in: 0..<10_000))
                    process.kill()
                    try process.start()
                }
            }
        }

        func finish() async throws { try await running?.value }
    }

    /// Converts until everything is converted. A failed transaction is aborted and its records are read again.
    private func convert(_ client: ClientConfiguration, _ killer: Killer) async throws {
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
                try await killer.passed(Int(done))
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
        let sluice = try SluiceProcess()
        let client = client(sluice)
        let admin = try KafkaAdminClient(configuration: client, logger: logger)
        for result in try await admin.createTopics(["in", "out"].map { TopicToCreate(name: $0, partitions: 1) }).values
        {
            try result.get()
        }
        await admin.close()
        var feeding = ProducerConfiguration(client: client)
        // A poll hands out whole batches: small ones make many transactions.
        feeding.batchSize = 500
        let producer = try KafkaProducer(configuration: feeding, logger: logger)
        _ = try await producer.send(
            contentsOf: (0..<Self.count).map { ProducerRecord(topic: "in", value: ByteBuffer(string: "\($0)")) })
        await producer.close()

        nonisolated(unsafe) let process = sluice
        let killer = Killer(process)
        try await convert(client, killer)
        try await killer.finish()
        #expect(await killer.kills == Self.rounds)

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
