import KafkaClient
import KafkaProtocol
import Logging
import NIOCore

/// The Swift code of `Sources/KafkaClient/KafkaClient.docc`: compiled here, and compared with the articles by
/// `DocumentationTests` (TidyTests).
enum DocumentationSnippets {
    static func start() async throws {
        let logger = Logger(label: "orders")

        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(bootstrapServers: ["localhost:9092"]), logger: logger)
        let place = try await producer.send(
            ProducerRecord(topic: "orders", key: ByteBuffer(string: "4711"), value: ByteBuffer(string: "two kettles")))
        print("partition \(place.partition), offset \(place.offset)")
        await producer.close()

        var configuration = ConsumerConfiguration(bootstrapServers: ["localhost:9092"], groupID: "stock")
        configuration.autoOffsetReset = .earliest
        let consumer = try KafkaConsumer(configuration: configuration, logger: logger)
        try await consumer.subscribe(["orders"])
        for try await entry in consumer.records {
            print(entry.topicPartition, entry.record.offset, entry.record.value.map { String(buffer: $0) } ?? "null")
        }
    }

    static func properties() throws {
        let configuration = try ProducerConfiguration(properties: [
            "bootstrap.servers": "kafka-1:9092,kafka-2:9092",
            "compression.type": "zstd",
            "linger.ms": "5",
        ])
        for name in configuration.unknownProperties.sorted() { print("\(name) is not known") }
    }

    static func produce(_ producer: KafkaProducer, _ records: [ProducerRecord], _ record: ProducerRecord) async throws {
        // Waits for the acknowledgement of all of them.
        let places = try await producer.send(contentsOf: records)
        print(places.map(\.offset))

        // Waits for a place in the buffer only.
        let receipt = try await producer.enqueue(record)
        // Later, if anybody wants to know:
        try await receipt.wait()

        // Everything that was handed over so far has ended now.
        try await producer.flush()
    }

    static func errors(_ producer: KafkaProducer, _ record: ProducerRecord) async throws {
        do {
            _ = try await producer.send(record)
        } catch let error as KafkaError where error.code == .recordTooLarge {
            print("larger than max.request.size")
        } catch let error as KafkaError where error.isRetriable {
            print("not within delivery.timeout.ms; the same call may succeed later: \(error)")
        }
    }

    static func batches(_ consumer: KafkaConsumer, handle: @Sendable ([Record]) async throws -> Void) async throws {
        for try await batch in consumer.batches {
            try await handle(batch.records)
            try await consumer.commit()
        }
    }

    static func rebalances(_ consumer: KafkaConsumer) async throws {
        try await consumer.subscribe(["orders"]) { event in
            switch event {
            case .assigned(let partitions): print("begin with \(partitions)")
            case .revoked(let partitions): print("finish \(partitions): offsets can still be committed")
            case .lost(let partitions): print("drop \(partitions): others may read them already")
            }
        }
    }

    static func positions(_ consumer: KafkaConsumer, hourAgo: Int64) async throws {
        let partitions = try await consumer.partitions(of: "orders")
        try await consumer.assign(partitions)
        try consumer.seek(toTimes: Dictionary(uniqueKeysWithValues: partitions.map { ($0, hourAgo) }))
        try consumer.pause([partitions[0]])
        let ends = try await consumer.endOffsets(partitions)
        print(ends)
    }

    static func transactions(_ logger: Logger, _ consumer: KafkaConsumer) async throws {
        var configuration = ProducerConfiguration(bootstrapServers: ["localhost:9092"])
        configuration.transactionalID = "converter-1"
        let producer = try KafkaProducer(configuration: configuration, logger: logger)

        while true {
            let batches = try await consumer.poll(timeout: .seconds(1))
            guard !batches.isEmpty, let group = consumer.groupMetadata else { continue }
            try await producer.withTransaction { transaction in
                var offsets: [TopicPartition: OffsetAndMetadata] = [:]
                for batch in batches {
                    for record in batch.records {
                        try await transaction.enqueue(ProducerRecord(topic: "converted", value: record.value))
                        offsets[batch.topicPartition] = OffsetAndMetadata(offset: record.offset + 1)
                    }
                }
                try await transaction.sendOffsets(offsets, group: group)
            }
        }
    }

    static func admin(_ logger: Logger) async throws {
        let admin = try KafkaAdminClient(
            configuration: ClientConfiguration(bootstrapServers: ["localhost:9092"]), logger: logger)

        let topic = TopicToCreate(name: "orders", partitions: 6, configs: ["retention.ms": "86400000"])
        try await admin.createTopics([topic])["orders"]?.get()

        for group in try await admin.listConsumerGroups() {
            let committed = try await admin.listConsumerGroupOffsets(group.groupID)
            let ends = try await admin.listOffsets(committed.mapValues { _ in .latest })
            for (partition, offset) in committed {
                guard let end = try ends[partition]?.get().offset else { continue }
                print(group.groupID, partition, "lag \(end - offset.offset)")
            }
        }
        await admin.close()
    }
}
