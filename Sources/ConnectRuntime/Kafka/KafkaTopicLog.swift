import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOCore

/// One of the worker's own topics as an embedded worker uses it: read once, at the start; after that this worker is the
/// only one that writes (``WorkerMembership``), and knows what it has written.
struct KafkaTopicLog: TopicLog {
    let topic: WorkerConfiguration.InternalTopic
    /// The property that names the topic, for messages.
    let property: String
    /// The config topic's order is that of one partition.
    let mustHaveOnePartition: Bool
    let clients: WorkerClients

    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {
        let partitions = try await ensureTopic()
        var configuration = ConsumerConfiguration(client: clients.cluster.configuration)
        configuration.autoOffsetReset = .earliest
        configuration.enableAutoCommit = false
        configuration.allowAutoCreateTopics = false
        configuration.isolationLevel = .readCommitted
        let consumer = try KafkaConsumer(
            configuration: configuration, cluster: clients.cluster, logger: clients.logger)
        do {
            try await read(consumer, partitions, apply)
        } catch {
            await consumer.close()
            throw error
        }
        await consumer.close()
    }

    private func read(
        _ consumer: KafkaConsumer, _ partitions: [TopicPartition], _ apply: (LogEntry, LogPosition) -> Void
    ) async throws {
        let starts = try await consumer.beginningOffsets(partitions)
        let ends = try await consumer.endOffsets(partitions)
        var open = partitions.filter { ends[$0, default: 0] > starts[$0, default: 0] }
        guard !open.isEmpty else { return }
        try await consumer.assign(open)
        try consumer.seekToBeginning(open)
        while !open.isEmpty {
            for batch in try await consumer.poll(timeout: .seconds(1)) {
                for record in batch.records {
                    guard let key = record.key else { continue }
                    apply(
                        LogEntry(key: key, value: record.value),
                        LogPosition(partition: batch.topicPartition.partition, offset: record.offset))
                }
            }
            var rest: [TopicPartition] = []
            for partition in open {
                if try await consumer.position(partition) < ends[partition, default: 0] { rest.append(partition) }
            }
            open = rest
        }
    }

    func append(_ entries: [LogEntry]) async throws -> [LogPosition] {
        try await clients.producer.send(
            contentsOf: entries.map { ProducerRecord(topic: topic.name, key: $0.key, value: $0.value) }
        ).map { LogPosition(partition: $0.partition, offset: $0.offset) }
    }

    func close() async {}

    /// The topic's partitions; makes it if there is none.
    func ensureTopic() async throws -> [TopicPartition] {
        if let known = try await describe() { return try await check(known) }
        let brokers = try await clients.admin.describeCluster().brokers.count
        let replicas = min(topic.replicationFactor, Int16(clamping: max(1, brokers)))
        if replicas < topic.replicationFactor {
            clients.logger.warning(
                "fewer brokers than replicas asked for",
                metadata: ["topic": "\(topic.name)", "asked": "\(topic.replicationFactor)", "given": "\(replicas)"])
        }
        var settings = topic.settings
        settings["cleanup.policy"] = "compact"
        let request = TopicToCreate(
            name: topic.name, partitions: topic.partitions, replicationFactor: replicas, configs: settings)
        do {
            try await clients.admin.createTopics([request])[topic.name]?.get()
        } catch let error as KafkaError where error.errorCode == .topicAlreadyExists {
            // Another process was faster.
        }
        for attempt in 0..<50 {
            if let known = try await describe() { return known }
            try await Task.sleep(for: .milliseconds(min(200, 10 << min(attempt, 6))))
        }
        throw KafkaError(.timedOut, "topic \(topic.name) was created but did not become visible")
    }

    private func describe() async throws -> [TopicPartition]? {
        do {
            let description = try await clients.admin.describeTopics([topic.name])[topic.name]?.get()
            return description?.partitions.map { TopicPartition(topic: topic.name, partition: $0.id) }.sorted()
        } catch let error as KafkaError where error.code == .unknownTopic {
            return nil
        }
    }

    private func check(_ partitions: [TopicPartition]) async throws -> [TopicPartition] {
        guard !mustHaveOnePartition || partitions.count == 1 else {
            throw ConnectError.config(
                "topic \(topic.name) (\(property)) has \(partitions.count) partitions, but it must have one: the order "
                    + "of its records counts")
        }
        let resource = ConfigResource(.topic, topic.name)
        // All settings, as Java asks for them: there are brokers that cannot read a list of names.
        let policy = try await clients.admin.describeConfigs([resource])[resource]?.get()
            .first { $0.name == "cleanup.policy" }?.value
        guard policy == nil || policy == "compact" else {
            throw ConnectError.config(
                "topic \(topic.name) (\(property)) has cleanup.policy=\(policy ?? ""), but it must be compact: the "
                    + "worker would lose its state")
        }
        return partitions
    }
}
