import KafkaClient
import KafkaProtocol
import Logging
import NIOCore

/// The Kafka clients of a worker: one set of connections, one producer for the worker's own topics.
final class WorkerClients: Sendable {
    let cluster: ClusterClient
    let admin: KafkaAdminClient
    let producer: KafkaProducer
    let logger: Logger

    init(_ configuration: WorkerConfiguration, logger: Logger) throws {
        let client = try ClientConfiguration(properties: configuration.clientProperties)
        self.logger = logger
        cluster = ClusterClient(configuration: client, logger: logger)
        admin = KafkaAdminClient(cluster: cluster)
        producer = try KafkaProducer(
            configuration: ProducerConfiguration(client: client), cluster: cluster, logger: logger)
    }

    /// A producer on the worker's connections that shuts out others with its id once it is initialised.
    func transactionalProducer(_ id: String) throws -> KafkaProducer {
        var configuration = ProducerConfiguration(client: cluster.configuration)
        configuration.transactionalID = id
        return try KafkaProducer(configuration: configuration, cluster: cluster, logger: logger)
    }

    func close() async {
        await producer.close()
        await admin.close()
        cluster.close()
    }
}

extension WorkerClients: ClusterAccess {
    func clusterID() async throws -> String? {
        try await admin.describeCluster().clusterID
    }

    func groupOffsets(_ group: String) async throws -> [TopicPartition: Int64] {
        try await admin.listConsumerGroupOffsets(group).mapValues(\.offset)
    }

    func alterGroupOffsets(_ group: String, _ offsets: [TopicPartition: Int64?]) async throws {
        var set: [TopicPartition: OffsetAndMetadata] = [:]
        var removed: [TopicPartition] = []
        for (partition, offset) in offsets {
            if let offset { set[partition] = OffsetAndMetadata(offset: offset) } else { removed.append(partition) }
        }
        // Connect refuses partitions that do not exist; the group would take them.
        let topics = Set(set.keys.map(\.topic))
        let known = try await admin.describeTopics(topics.sorted())
        for partition in set.keys.sorted() {
            guard let topic = try known[partition.topic]?.get(),
                topic.partitions.contains(where: { $0.id == partition.partition })
            else { throw KafkaError(.unknownTopic, "there is no partition \(partition)") }
        }
        if !set.isEmpty { try await admin.alterConsumerGroupOffsets(group, offsets: set) }
        if !removed.isEmpty {
            for result in try await admin.deleteConsumerGroupOffsets(group, partitions: removed).values {
                try result.get()
            }
        }
    }

    func fenceProducers(_ ids: [String]) async throws {
        for id in ids {
            let producer = try transactionalProducer(id)
            do {
                try await producer.initTransactions(timeout: .seconds(30))
            } catch {
                await producer.close(timeout: .zero)
                throw error
            }
            await producer.close(timeout: .zero)
        }
    }

    func deleteGroup(_ group: String) async throws {
        do {
            try await admin.deleteConsumerGroups([group])[group]?.get()
        } catch let error as KafkaError where error.errorCode == .groupIdNotFound {
            return
        }
    }
}
