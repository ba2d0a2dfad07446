/// A header of a record: a name, and a value with its schema. A name may occur more than once.
public struct ConnectHeader: Sendable, Hashable {
    /// The name.
    public var key: String
    /// The value's schema, or nil.
    public var schema: Schema?
    /// The value.
    public var value: ConnectValue

    /// Makes a header.
    public init(key: String, schema: Schema? = nil, value: ConnectValue) {
        self.key = key
        self.schema = schema
        self.value = value
    }
}

/// A record that a source hands to Connect.
public struct SourceRecord: Sendable, Hashable {
    /// The topic to write to.
    public var topic: String
    /// The partition to write to; nil lets the producer choose.
    public var partition: Int32?
    /// The key's schema.
    public var keySchema: Schema?
    /// The key.
    public var key: ConnectValue
    /// The value's schema.
    public var valueSchema: Schema?
    /// The value.
    public var value: ConnectValue
    /// The headers.
    public var headers: [ConnectHeader]
    /// Milliseconds since the epoch; nil means now.
    public var timestamp: Int64?

    /// Makes a record.
    public init(
        topic: String, partition: Int32? = nil, keySchema: Schema? = nil, key: ConnectValue = .null,
        valueSchema: Schema? = nil, value: ConnectValue, headers: [ConnectHeader] = [], timestamp: Int64? = nil
    ) {
        self.topic = topic
        self.partition = partition
        self.keySchema = keySchema
        self.key = key
        self.valueSchema = valueSchema
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }
}

/// What one poll of a source returns for one source partition: records, and the offset to store once all of them are
/// acknowledged.
public struct SourceBatch: Sendable {
    /// The records, in order. Of a batch of rows they are made each time they are asked for.
    public var records: [SourceRecord] {
        get { rows.map { $0.records() } ?? plain }
        set { (plain, rows) = (newValue, nil) }
    }
    /// The records as rows; nil if the batch has none.
    public private(set) var rows: RecordRows?
    private var plain: [SourceRecord]
    /// The source partition that the offset belongs to.
    public var sourcePartition: OffsetMap?
    /// Where to resume once every record of the batch is acknowledged; nil stores nothing.
    public var sourceOffset: OffsetMap?
    /// Writes a tombstone for the partition in place of an offset.
    public var clearsOffset: Bool
    /// Ends the open transaction after this batch, if that is the task's part
    /// (``SourceTaskContext/definesTransactions``).
    public var transactionEnd: TransactionEnd?

    /// Makes a batch.
    public init(
        records: [SourceRecord], sourcePartition: OffsetMap? = nil, sourceOffset: OffsetMap? = nil,
        clearsOffset: Bool = false, transactionEnd: TransactionEnd? = nil
    ) {
        plain = records
        self.sourcePartition = sourcePartition
        self.sourceOffset = sourceOffset
        self.clearsOffset = clearsOffset
        self.transactionEnd = transactionEnd
    }

    /// Makes a batch of rows.
    public init(
        rows: RecordRows, sourcePartition: OffsetMap? = nil, sourceOffset: OffsetMap? = nil, clearsOffset: Bool = false
    ) {
        self.init(
            records: [], sourcePartition: sourcePartition, sourceOffset: sourceOffset, clearsOffset: clearsOffset)
        self.rows = rows
    }

    /// How many records there are.
    public var count: Int { rows?.count ?? plain.count }
}

/// Where a record's timestamp comes from.
public enum TimestampType: Sendable, Hashable {
    case none, createTime, logAppendTime
}

/// A record that Connect hands to a sink.
public struct SinkRecord: Sendable, Hashable {
    /// The topic it was read from, as transformations have changed it.
    public var topic: String
    /// The topic it was read from, whatever transformations say (KIP-793): with the partition and the offset, where
    /// the record is in Kafka.
    public var originalTopic: String
    /// The partition it was read from.
    public var partition: Int32
    /// Its offset in the partition.
    public var offset: Int64
    /// Milliseconds since the epoch, if the record has a timestamp.
    public var timestamp: Int64?
    /// Where the timestamp comes from.
    public var timestampType: TimestampType
    /// The key's schema.
    public var keySchema: Schema?
    /// The key.
    public var key: ConnectValue
    /// The value's schema.
    public var valueSchema: Schema?
    /// The value; null is a tombstone.
    public var value: ConnectValue
    /// The headers.
    public var headers: [ConnectHeader]

    /// Makes a record.
    @inlinable
    public init(
        topic: String, partition: Int32, offset: Int64, timestamp: Int64? = nil,
        timestampType: TimestampType = .none, keySchema: Schema? = nil, key: ConnectValue = .null,
        valueSchema: Schema? = nil, value: ConnectValue = .null, headers: [ConnectHeader] = []
    ) {
        self.topic = topic
        self.originalTopic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.timestampType = timestampType
        self.keySchema = keySchema
        self.key = key
        self.valueSchema = valueSchema
        self.value = value
        self.headers = headers
    }
}

/// The name of a partition of a topic. (ConnectAPI knows no Kafka module, so it has its own.)
public struct TopicPartitionName: Sendable, Hashable, CustomStringConvertible {
    /// The topic.
    public var topic: String
    /// The partition's number.
    public var partition: Int32

    /// Makes a name.
    public init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    /// Kafka's spelling: `topic-0`.
    public var description: String { "\(topic)-\(partition)" }
}
