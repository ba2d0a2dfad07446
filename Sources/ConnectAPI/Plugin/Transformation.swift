/// Changes records one at a time between a connector and the topics (Kafka class `Transformation`). A task makes its
/// own transformations and uses them from one place at a time, so they may keep state, such as a ``SchemaCache``.
public protocol Transformation: AnyObject, SendableMetatype {
    /// The Java class name, such as `org.apache.kafka.connect.transforms.InsertField$Value`.
    static var className: String { get }
    /// The version that REST shows.
    static var version: String { get }
    /// The transformation's options.
    static var configDefinition: ConfigDefinition { get }

    /// Makes a transformation that is not configured.
    init()

    /// Sets the options (without the prefix `transforms.<name>.`), once, before use.
    /// - Throws: a config error that names the option.
    func configure(_ config: [String: String]) throws(ConnectError)

    /// Changes a record in place. After an error the record is given up, so it may be left half changed.
    /// - Returns: false to drop the record.
    /// - Throws: a data error if the record is not what the transformation needs: tolerance and dead letters apply
    ///   (stage `TRANSFORMATION`, KIP-298); a retriable one to be called again within `errors.retry.timeout`.
    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool
}

/// Says which records a transformation applies to (Kafka class `Predicate`, KIP-585). Lifetime as for
/// ``Transformation``.
public protocol Predicate: AnyObject, SendableMetatype {
    /// The Java class name, such as `org.apache.kafka.connect.transforms.predicates.TopicNameMatches`.
    static var className: String { get }
    /// The version that REST shows.
    static var version: String { get }
    /// The predicate's options.
    static var configDefinition: ConfigDefinition { get }

    /// Makes a predicate that is not configured.
    init()

    /// Sets the options (without the prefix `predicates.<name>.`), once, before use.
    /// - Throws: a config error that names the option.
    func configure(_ config: [String: String]) throws(ConnectError)

    /// Whether the record is one of those meant.
    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool
}

/// What transformations and predicates see of a record, the same for records of sources and of sinks.
public struct ConnectRecord: Sendable {
    /// The topic that the record goes to, or comes from. A transformation that changes it routes the record.
    public var topic: String
    /// The partition; nil if the producer is to choose. Changing it has no effect for a sink.
    public var partition: Int32?
    /// The offset of a sink's record; nil for a source's.
    public let offset: Int64?
    /// Milliseconds since the epoch, if the record has a timestamp.
    public var timestamp: Int64?
    /// The key and its schema.
    public var key: SchemaAndValue
    /// The value and its schema; null is a tombstone.
    public var value: SchemaAndValue
    /// The headers.
    public var headers: [ConnectHeader]

    /// The view of a source's record.
    public init(_ record: SourceRecord) {
        topic = record.topic
        partition = record.partition
        offset = nil
        timestamp = record.timestamp
        key = SchemaAndValue(schema: record.keySchema, value: record.key)
        value = SchemaAndValue(schema: record.valueSchema, value: record.value)
        headers = record.headers
    }

    /// The view of a sink's record.
    public init(_ record: SinkRecord) {
        topic = record.topic
        partition = record.partition
        offset = record.offset
        timestamp = record.timestamp
        key = SchemaAndValue(schema: record.keySchema, value: record.key)
        value = SchemaAndValue(schema: record.valueSchema, value: record.value)
        headers = record.headers
    }
}

extension SourceRecord {
    /// Takes over what transformations have made of the record.
    public mutating func update(_ view: ConnectRecord) {
        topic = view.topic
        partition = view.partition
        timestamp = view.timestamp
        keySchema = view.key.schema
        key = view.key.value
        valueSchema = view.value.schema
        value = view.value.value
        headers = view.headers
    }
}

extension SinkRecord {
    /// Takes over what transformations have made of the record; partition and offset stay.
    public mutating func update(_ view: ConnectRecord) {
        topic = view.topic
        timestamp = view.timestamp
        keySchema = view.key.schema
        key = view.key.value
        valueSchema = view.value.schema
        value = view.value.value
        headers = view.headers
    }
}
