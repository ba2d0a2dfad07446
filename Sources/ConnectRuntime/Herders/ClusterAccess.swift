import KafkaClient
import OrderedCollections

/// What a herder asks of the Kafka cluster beside its stores.
protocol ClusterAccess: Sendable {
    /// The cluster's identifier.
    func clusterID() async throws -> String?
    /// The committed offsets of a consumer group.
    func groupOffsets(_ group: String) async throws -> [TopicPartition: Int64]
    /// Overwrites committed offsets of a group without members; nil removes one.
    func alterGroupOffsets(_ group: String, _ offsets: [TopicPartition: Int64?]) async throws
    /// Removes a group without members and all its offsets. No error if there is none.
    func deleteGroup(_ group: String) async throws
    /// Ends the transactions of these transactional ids and shuts out the producers that have them.
    func fenceProducers(_ ids: [String]) async throws
}
