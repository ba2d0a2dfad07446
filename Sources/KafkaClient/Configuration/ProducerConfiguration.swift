public import KafkaProtocol

/// How a ``KafkaProducer`` works. The names in the comments are Kafka's property names.
public struct ProducerConfiguration: Sendable {
    /// When the broker answers.
    public enum Acks: Int16, Sendable {
        /// `acks=0`: never; records may be lost and offsets are unknown (-1).
        case none = 0
        /// `acks=1`: when the leader has written.
        case leader = 1
        /// `acks=all`: when all in-sync replicas have it.
        case all = -1
    }

    /// Bootstrap servers, time-outs, back-off.
    public var client: ClientConfiguration
    /// `acks`.
    public var acks: Acks = .all
    /// `enable.idempotence`: exactly one copy, in order, per partition. Needs `acks=all`.
    public var enableIdempotence = true
    /// `linger.ms`: how long a batch waits for more records. Ours is 0 (Kafka 4: 5): a `send` awaits its
    /// acknowledgement, and records that arrive while requests are in flight share batches anyway.
    public var linger: Duration = .zero
    /// `batch.size`: a batch that has reached this many bytes is closed. Ours is librdkafka's 1,000,000 (Java: 16,384):
    /// buffers grow with what is in them, so that a large limit costs nothing.
    public var batchSize = 1_000_000
    /// `compression.type`.
    public var compression: CompressionType = .none
    /// `max.request.size`: the largest record and the largest request, before compression.
    public var maxRequestSize = 1_048_576
    /// `buffer.memory`: bytes that may wait for acknowledgement; `send` waits while they are used up.
    public var bufferMemory = 33_554_432
    /// `max.block.ms`: how long `send` waits for metadata and buffer space.
    public var maxBlock: Duration = .seconds(60)
    /// `delivery.timeout.ms`: how long a record may take from `send` to its acknowledgement, retries included.
    public var deliveryTimeout: Duration = .seconds(120)
    /// `max.in.flight.requests.per.connection`: at most 5 with idempotence.
    public var maxInFlight = 5
    /// `retries`: attempts after the first; the delivery time-out usually ends them first.
    public var retries = Int(Int32.max)
    /// `transactional.id`: makes the producer transactional. Two producers with one id fence each other off.
    public var transactionalID: String?
    /// `transaction.timeout.ms`: the coordinator aborts a transaction that is open for longer.
    public var transactionTimeout: Duration = .seconds(60)
    /// `partitioner.adaptive.partitioning.enable`: records without key go rather to partitions with short queues (KIP-794).
    public var adaptivePartitioning = true
    /// `partitioner.ignore.keys`: spread records as if they had no keys.
    public var ignoreKeys = false
    /// Names given to `init(properties:)` that no producer configuration knows.
    public internal(set) var unknownProperties: Set<String> = []

    /// Defaults, with the brokers to ask first.
    public init(bootstrapServers: [String]) {
        client = ClientConfiguration(bootstrapServers: bootstrapServers)
    }

    /// Defaults, on a given client configuration.
    public init(client: ClientConfiguration) {
        self.client = client
    }

    /// Reads Kafka's property names. Serialisers are ignored: records are bytes here.
    public init(properties: [String: String]) throws(KafkaError) {
        var reader = PropertyReader(properties)
        client = try ClientConfiguration(reader: &reader)
        if let text = reader.string("acks") { acks = try Self.parseAcks(text) }
        if let idempotence = try reader.boolean("enable.idempotence") {
            enableIdempotence = idempotence
        } else if acks != .all {
            enableIdempotence = false
        }
        linger = try reader.milliseconds("linger.ms") ?? linger
        batchSize = max(try reader.integer("batch.size") ?? batchSize, 1)
        if let text = reader.string("compression.type") {
            guard let type = CompressionType(name: text) else {
                throw KafkaError(
                    .invalidConfiguration, "compression.type=\(text): use none, gzip, snappy, lz4 or zstd")
            }
            compression = type
        }
        maxRequestSize = try reader.integer("max.request.size") ?? maxRequestSize
        bufferMemory = try reader.integer("buffer.memory") ?? bufferMemory
        maxBlock = try reader.milliseconds("max.block.ms") ?? maxBlock
        deliveryTimeout = try reader.milliseconds("delivery.timeout.ms") ?? deliveryTimeout
        maxInFlight = try reader.integer("max.in.flight.requests.per.connection") ?? maxInFlight
        retries = try reader.integer("retries") ?? retries
        transactionalID = reader.string("transactional.id").flatMap { $0.isEmpty ? nil : $0 }
        transactionTimeout = try reader.milliseconds("transaction.timeout.ms") ?? transactionTimeout
        adaptivePartitioning = try reader.boolean("partitioner.adaptive.partitioning.enable") ?? adaptivePartitioning
        ignoreKeys = try reader.boolean("partitioner.ignore.keys") ?? ignoreKeys
        for name in ["key.serializer", "value.serializer", "partitioner.class"] { _ = reader.string(name) }
        unknownProperties = reader.unused
        try validate()
    }

    /// Throws when values contradict each other.
    func validate() throws(KafkaError) {
        if enableIdempotence, acks != .all {
            throw KafkaError(.invalidConfiguration, "enable.idempotence=true needs acks=all")
        }
        if enableIdempotence, maxInFlight > 5 {
            throw KafkaError(
                .invalidConfiguration,
                "max.in.flight.requests.per.connection=\(maxInFlight): at most 5 with enable.idempotence=true")
        }
        if transactionalID != nil, !enableIdempotence {
            throw KafkaError(.invalidConfiguration, "transactional.id needs enable.idempotence=true")
        }
        if maxInFlight < 1 {
            throw KafkaError(.invalidConfiguration, "max.in.flight.requests.per.connection must be at least 1")
        }
    }

    private static func parseAcks(_ text: String) throws(KafkaError) -> Acks {
        switch text.lowercased() {
        case "all", "-1": return .all
        case "1": return .leader
        case "0": return .none
        default: throw KafkaError(.invalidConfiguration, "acks=\(text): use all, 1 or 0")
        }
    }
}
