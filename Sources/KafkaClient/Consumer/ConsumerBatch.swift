public import KafkaProtocol

/// Records of one partition, in order, as one poll gives them.
public struct ConsumerBatch: Sendable {
    /// Where they come from.
    public var topicPartition: TopicPartition
    /// The records; their bytes are slices of the fetched buffer.
    public var records: [Record]
    /// The offset behind the last record that consumers may see, when the batch was fetched.
    public var highWatermark: Int64

    /// Makes a batch.
    public init(topicPartition: TopicPartition, records: [Record], highWatermark: Int64) {
        self.topicPartition = topicPartition
        self.records = records
        self.highWatermark = highWatermark
    }
}

/// What a rebalance did to this consumer.
public enum RebalanceEvent: Sendable {
    /// These partitions are new here.
    case assigned([TopicPartition])
    /// These are given up in good order: offsets may still be committed while the listener runs.
    case revoked([TopicPartition])
    /// These are gone: others may already read them, and commits will fail.
    case lost([TopicPartition])
}
