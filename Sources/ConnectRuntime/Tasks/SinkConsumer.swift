import KafkaClient
import OrderedCollections

/// Where a sink task's records come from: one member of the consumer group `connect-<connector>`.
protocol SinkConsumer: Sendable {
    /// Joins the group and subscribes. The closures run within ``poll(timeout:)``.
    func start(
        assigned: @escaping @Sendable ([TopicPartition]) async throws -> Void,
        revoked: @escaping @Sendable ([TopicPartition]) async -> Void
    ) async throws
    /// The next batches, none when the time has passed.
    func poll(timeout: Duration) async throws -> [ConsumerBatch]
    /// What has come meanwhile, without waiting and without a rebalance; positions go on as with a poll.
    func takeFetched() throws -> [ConsumerBatch]
    /// Commits the next offsets to read.
    func commit(_ positions: OrderedDictionary<TopicPartition, Int64>) async throws
    /// Goes on at these offsets.
    func seek(_ positions: [TopicPartition: Int64]) async throws
    /// Fetches nothing from what is assigned.
    func pauseAll() async
    /// Fetches again.
    func resumeAll() async
    /// Leaves the group.
    func close() async
}

extension SinkConsumer {
    /// Does nothing: for consumers without positions.
    func seek(_ positions: [TopicPartition: Int64]) async throws {}

    /// Nothing: for consumers that give all they have with each poll.
    func takeFetched() throws -> [ConsumerBatch] { [] }
}
