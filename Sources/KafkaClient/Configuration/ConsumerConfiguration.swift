/// How a ``KafkaConsumer`` works. The names in the comments are Kafka's property names.
public struct ConsumerConfiguration: Sendable {
    /// `auto.offset.reset`: where to begin without a valid position.
    public enum OffsetReset: Hashable, Sendable {
        /// At the first record there is.
        case earliest
        /// After the last record there is.
        case latest
        /// At the first record that is no older than this (KIP-1106), or after the last.
        case byDuration(Duration)
        /// Throw ``KafkaError/Code/noOffset``.
        case none

        /// Reads Kafka's words: `earliest`, `latest`, `none`, or `by_duration:` and an ISO 8601 duration such as `PT1H`.
        init?(text: String) {
            switch text.lowercased() {
            case "earliest": self = .earliest
            case "latest": self = .latest
            case "none": self = .none
            case let other:
                guard other.hasPrefix("by_duration:"),
                    let duration = Duration(iso8601: other.dropFirst("by_duration:".count))
                else { return nil }
                self = .byDuration(duration)
            }
        }
    }

    /// `group.protocol`.
    public enum GroupProtocolType: String, Sendable {
        /// The members' leader assigns, and rounds of JoinGroup and SyncGroup hold all of them up.
        case classic
        /// KIP-848 (Kafka 4.0): the coordinator assigns, member by member.
        case consumer
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
    /// `group.protocol`.
    public var groupProtocol: GroupProtocolType = .classic
    /// `group.remote.assignor`: the coordinator's assignor, with `group.protocol=consumer`; nil leaves it the choice.
    public var groupRemoteAssignor: String?
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
            guard let reset = OffsetReset(text: text) else {
                throw KafkaError(
                    .invalidConfiguration,
                    "auto.offset.reset=\(text): use earliest, latest, none, or by_duration:PT1H for an hour")
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
        if let text = reader.string("group.protocol") {
            guard let type = GroupProtocolType(rawValue: text.lowercased()) else {
                throw KafkaError(.invalidConfiguration, "group.protocol=\(text): use classic or consumer")
            }
            groupProtocol = type
        }
        groupRemoteAssignor = reader.string("group.remote.assignor").flatMap { $0.isEmpty ? nil : $0 }
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
            case "sticky", "StickyAssignor": result.append(StickyAssignor())
            case "cooperative-sticky", "CooperativeStickyAssignor": result.append(CooperativeStickyAssignor())
            default:
                throw KafkaError(
                    .invalidConfiguration,
                    "partition.assignment.strategy=\(name): use range, roundrobin, sticky or cooperative-sticky")
            }
        }
        return result
    }
}
