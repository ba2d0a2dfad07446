public import KafkaProtocol
public import NIOCore

/// A record to send.
public struct ProducerRecord: Sendable {
    /// Where to.
    public var topic: String
    /// Which partition; nil: by the key's hash, and without a key wherever the current batch goes.
    public var partition: Int32?
    /// The key; nil for none.
    public var key: ByteBuffer?
    /// The value; nil is a tombstone in compacted topics.
    public var value: ByteBuffer?
    /// Headers, in order.
    public var headers: [RecordHeader]
    /// ms since 1970; nil: now.
    public var timestamp: Int64?

    /// Makes a record.
    public init(
        topic: String, partition: Int32? = nil, key: ByteBuffer? = nil, value: ByteBuffer?,
        headers: [RecordHeader] = [], timestamp: Int64? = nil
    ) {
        self.topic = topic
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }
}

/// Where a record ended up.
public struct RecordMetadata: Hashable, Sendable {
    /// The topic.
    public var topic: String
    /// The partition.
    public var partition: Int32
    /// The offset; -1 with `acks=0`, and for a repeated batch whose offset the broker has forgotten.
    public var offset: Int64
    /// ms since 1970: the record's, or the broker's if the topic has `message.timestamp.type=LogAppendTime`.
    public var timestamp: Int64

    /// Makes metadata.
    public init(topic: String, partition: Int32, offset: Int64, timestamp: Int64) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
    }
}
