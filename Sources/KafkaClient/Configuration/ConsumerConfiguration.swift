/// How a ``KafkaConsumer`` works. The names in the comments are Kafka's property names.
public struct ConsumerConfiguration: Sendable {
    /// `auto.offset.reset`: where to begin without a valid position.
    public enum OffsetReset: String, Sendable {
        /// At the first record there is.
        case earliest
        /// After the last record there is.
        case latest
        /// Throw ``KafkaError/Code/noOffset``.
        case none
    }

    /// `isolation.level`.
    public enum IsolationLevel: Int8, Sendable {
        /// All records.
        case readUncommitted = 0
        /// Only records outside transactions or of committed ones.
        case readCommitted = 1
    }

    /// Bootstrap servers, time-outs, back-off.
    public var client: ClientConfiguration
    /// `group.id`; needed to subscribe and to commit.
    public var groupID: String?
    /// `group.instance.id`: static membership.
    public var groupInstanceID: String?
    /// `auto.offset.reset`.
    public var autoOffsetReset: OffsetReset = .latest
    /// `enable.auto.commit`: commit what the previous polls returned, now and then and on close.
    public var enableAutoCommit = true
    /// `auto.commit.interval.ms`.
    public var autoCommitInterval: Duration = .seconds(5)
    /// `isolation.level`.
    public var isolationLevel: IsolationLevel = .readUncommitted
    /// `session.timeout.ms`: the group drops a member that was silent for so long.
    public var sessionTimeout: Duration = .seconds(45)
    /// `heartbeat.interval.ms`.
    public var heartbeatInterval: Duration = .seconds(3)
    /// `max.poll.interval.ms`: a member that does not poll for so long leaves the group by itself.
    public var maxPollInterval: Duration = .seconds(300)
    /// `max.poll.records`: `poll` adds no further batch once it has so many; batches are never cut.
    public var maxPollRecords = 500
    /// `fetch.min.bytes`: the broker answers as soon as it has so many.
    public var fetchMinBytes: Int32 = 1
    /// `fetch.max.wait.ms`: or after this time.
    public var fetchMaxWait: Duration = .milliseconds(500)
    /// `fetch.max.bytes`: the largest answer, and the most that is kept ahead of `poll`.
    public var fetchMaxBytes: Int32 = 52_428_800
    /// `max.partition.fetch.bytes`: the most per partition; one batch always comes whole.
    public var maxPartitionFetchBytes: Int32 = 1_048_576
    /// `check.crcs`: verify the checksum of every batch.
    public var checkCRCs = true
    /// `allow.auto.create.topics`: let the broker create a topic that is subscribed to.
    public var allowAutoCreateTopics = true
    /// `partition.assignment.strategy`: the assignors offered to the group, preferred first.
    public var assignors: [any PartitionAssignor] = [RangeAssignor(), CooperativeStickyAssignor()]
    /// Names given to `init(properties:)` that no consumer configuration knows.
    public internal(set) var unknownProperties: Set<String> = []

    /// Defaults, with the brokers to ask first.
    public init(bootstrapServers: [String], groupID: String? = nil) {
        client = ClientConfiguration(bootstrapServers: bootstrapServers)
        self.groupID = groupID
    }

    /// Defaults, on a given client configuration.
    public init(client: ClientConfiguration, groupID: String? = nil) {
        self.client = client
        self.groupID = groupID
    }

    /// Reads Kafka's property names. Deserialisers are ignored: records are bytes here.
    public init(properties: [String: String]) throws(KafkaError) {
        var reader = PropertyReader(properties)
        client = try ClientConfiguration(reader: &reader)
        groupID = reader.string("group.id").flatMap { $0.isEmpty ? nil : $0 }
        groupInstanceID = reader.string("group.instance.id").flatMap { $0.isEmpty ? nil : $0 }
        if let text = reader.string("auto.offset.reset") {
            guard let reset = OffsetReset(rawValue: text.lowercased()) else {
                throw KafkaError(.invalidConfiguration, "auto.offset.reset=\(text): use earliest, latest or none")
            }
            autoOffsetReset = reset
        }
        if let text = reader.string("isolation.level") {
            switch text.lowercased() {
            case "read_committed": isolationLevel = .readCommitted
            case "read_uncommitted": isolationLevel = .readUncommitted
            default:
                throw KafkaError(
                    .invalidConfiguration, "isolation.level=\(text): use read_uncommitted or read_committed")
            }
        }
        enableAutoCommit = try reader.boolean("enable.auto.commit") ?? (groupID != nil)
        autoCommitInterval = try reader.milliseconds("auto.commit.interval.ms") ?? autoCommitInterval
        sessionTimeout = try reader.milliseconds("session.timeout.ms") ?? sessionTimeout
        heartbeatInterval = try reader.milliseconds("heartbeat.interval.ms") ?? heartbeatInterval
        maxPollInterval = try reader.milliseconds("max.poll.interval.ms") ?? maxPollInterval
        maxPollRecords = max(try reader.integer("max.poll.records") ?? maxPollRecords, 1)
        fetchMinBytes = try reader.integer("fetch.min.bytes") ?? fetchMinBytes
        fetchMaxWait = try reader.milliseconds("fetch.max.wait.ms") ?? fetchMaxWait
        fetchMaxBytes = try reader.integer("fetch.max.bytes") ?? fetchMaxBytes
        maxPartitionFetchBytes = try reader.integer("max.partition.fetch.bytes") ?? maxPartitionFetchBytes
        checkCRCs = try reader.boolean("check.crcs") ?? checkCRCs
        allowAutoCreateTopics = try reader.boolean("allow.auto.create.topics") ?? allowAutoCreateTopics
        if let names = reader.list("partition.assignment.strategy"), !names.isEmpty {
            assignors = try Self.assignors(named: names)
        }
        for name in ["key.deserializer", "value.deserializer"] { _ = reader.string(name) }
        unknownProperties = reader.unused
    }

    /// The assignors by Kafka's short names or Java class names.
    static func assignors(named names: [String]) throws(KafkaError) -> [any PartitionAssignor] {
        var result: [any PartitionAssignor] = []
        for name in names {
            switch name.split(separator: ".").last.map(String.init) ?? name {
            case "range", "RangeAssignor": result.append(RangeAssignor())
            case "roundrobin", "RoundRobinAssignor": result.append(RoundRobinAssignor())
            case "cooperative-sticky", "CooperativeStickyAssignor": result.append(CooperativeStickyAssignor())
            default:
                throw KafkaError(
                    .invalidConfiguration,
                    "partition.assignment.strategy=\(name): use range, roundrobin or cooperative-sticky")
            }
        }
        return result
    }
}
